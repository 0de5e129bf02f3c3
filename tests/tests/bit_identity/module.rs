//! The machine as a wasm module: built by cargo, run by wasmtime.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use virtarium_machine::machine::Digest;
use virtarium_tests_wasm::{Case, End};
use wasmtime::{Engine, Instance, Memory, Store, TypedFunc};

/// Builds the module: optimised, but without the fat link of a release.
fn build() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../wasm-core");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        // Flags for the host's code, coverage for one, mean nothing to this target.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--release"])
        .args(["--config", "profile.release.lto=false"])
        .args(["--config", "profile.release.codegen-units=16"])
        .args(["--config", "profile.release.debug=false"])
        .args(["--package", "virtarium-tests-wasm"])
        .args(["--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(&target)
        .status()
        .expect("cargo starts");
    assert!(
        status.success(),
        "the module was not built; without the target: rustup target add wasm32-unknown-unknown"
    );
    target.join("wasm32-unknown-unknown/release/virtarium_tests_wasm.wasm")
}

/// The compiled module, made once in a process.
fn compiled() -> &'static (Engine, wasmtime::Module) {
    static COMPILED: OnceLock<(Engine, wasmtime::Module)> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let start = Instant::now();
        let path = build();
        let built = start.elapsed();
        let engine = Engine::default();
        let bytes = std::fs::read(&path).expect("the module is where cargo puts it");
        let module = wasmtime::Module::new(&engine, &bytes).expect("the module is valid");
        println!(
            "module: {} KiB, built in {built:.1?}, compiled in {:.1?}",
            bytes.len() / 1024,
            start.elapsed() - built
        );
        (engine, module)
    })
}

/// A case that runs in wasm.
pub struct Module {
    store: Store<()>,
    memory: Memory,
    run_to: TypedFunc<u64, u64>,
    instructions: TypedFunc<(), u64>,
    digest: TypedFunc<(), u32>,
    printed: TypedFunc<(), u32>,
    text: TypedFunc<(), u32>,
}

impl Module {
    /// Instantiates the module and builds the case's machine in it.
    pub fn new(case: &Case) -> Self {
        let (engine, module) = compiled();
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[]).expect("the module imports nothing");
        let memory = instance.get_memory(&mut store, "memory").expect("a memory");
        let encoded = case.encode();
        let reserve = function::<u32, u32>(&mut store, &instance, "reserve");
        let at = reserve
            .call(&mut store, encoded.len() as u32)
            .expect("reserve");
        memory
            .write(&mut store, at as usize, &encoded)
            .expect("room for the case");
        let start = function::<(), u32>(&mut store, &instance, "start");
        let failed = start.call(&mut store, ()).expect("start") != 0;
        let mut this = Self {
            memory,
            run_to: function(&mut store, &instance, "run_to"),
            instructions: function(&mut store, &instance, "instructions"),
            digest: function(&mut store, &instance, "digest"),
            printed: function(&mut store, &instance, "printed"),
            text: function(&mut store, &instance, "text"),
            store,
        };
        if failed {
            let length = function::<(), u32>(&mut this.store, &instance, "text_len");
            let length = length.call(&mut this.store, ()).expect("text_len");
            panic!("in wasm: {}", String::from_utf8_lossy(&this.text(length)));
        }
        this
    }

    pub fn run_to(&mut self, count: u64) -> End {
        let end = self.run_to.call(&mut self.store, count);
        End::from_number(end.expect("the module does not trap"))
    }

    pub fn instructions(&mut self) -> u64 {
        self.instructions
            .call(&mut self.store, ())
            .expect("instructions")
    }

    pub fn digest(&mut self) -> Digest {
        let at = self.digest.call(&mut self.store, ()).expect("digest");
        let mut digest = Digest([0; 32]);
        self.memory
            .read(&self.store, at as usize, &mut digest.0)
            .expect("a digest");
        digest
    }

    /// What was printed since the last call.
    pub fn printed(&mut self) -> Vec<u8> {
        let length = self.printed.call(&mut self.store, ()).expect("printed");
        self.text(length)
    }

    fn text(&mut self, length: u32) -> Vec<u8> {
        let at = self.text.call(&mut self.store, ()).expect("text");
        let mut bytes = vec![0; length as usize];
        self.memory
            .read(&self.store, at as usize, &mut bytes)
            .expect("text");
        bytes
    }
}

fn function<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
    store: &mut Store<()>,
    instance: &Instance,
    name: &str,
) -> TypedFunc<P, R> {
    instance
        .get_typed_func(store, name)
        .expect("the module's export")
}
