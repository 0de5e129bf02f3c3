//! The machine as a wasm module: built by cargo, run by wasmtime.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use virtarium_machine::machine::Digest;
use virtarium_tests_wasm::{Case, End, Engine};
use wasmtime::{Instance, Memory, Store, TypedFunc};

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
fn compiled() -> &'static (wasmtime::Engine, wasmtime::Module) {
    static COMPILED: OnceLock<(wasmtime::Engine, wasmtime::Module)> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let start = Instant::now();
        let path = build();
        let built = start.elapsed();
        let engine = wasmtime::Engine::default();
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
    reserve: TypedFunc<u32, u32>,
    run_to: TypedFunc<u64, u64>,
    instructions: TypedFunc<(), u64>,
    digest: TypedFunc<(), u32>,
    next_fetch: TypedFunc<(), i64>,
    arrived: TypedFunc<u32, u32>,
    printed: TypedFunc<(), u32>,
    text: TypedFunc<(), u32>,
    text_len: TypedFunc<(), u32>,
}

impl Module {
    /// Instantiates the module and builds the case's machine in it.
    pub fn new(case: &Case) -> Self {
        let (engine, module) = compiled();
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[]).expect("the module imports nothing");
        let memory = instance.get_memory(&mut store, "memory").expect("a memory");
        let start = function::<(), u32>(&mut store, &instance, "start");
        let mut this = Self {
            memory,
            reserve: function(&mut store, &instance, "reserve"),
            run_to: function(&mut store, &instance, "run_to"),
            instructions: function(&mut store, &instance, "instructions"),
            digest: function(&mut store, &instance, "digest"),
            next_fetch: function(&mut store, &instance, "next_fetch"),
            arrived: function(&mut store, &instance, "arrived"),
            printed: function(&mut store, &instance, "printed"),
            text: function(&mut store, &instance, "text"),
            text_len: function(&mut store, &instance, "text_len"),
            store,
        };
        this.put(&case.encode());
        let failed = start.call(&mut this.store, ()).expect("start");
        this.said(failed).expect("the case is valid");
        this
    }

    /// Hands over bytes.
    fn put(&mut self, bytes: &[u8]) {
        let at = self.reserve.call(&mut self.store, bytes.len() as u32);
        let at = at.expect("reserve") as usize;
        let written = self.memory.write(&mut self.store, at, bytes);
        written.expect("room for the bytes");
    }

    /// What the module says of a call that failed if this is not 0.
    fn said(&mut self, failed: u32) -> Result<(), String> {
        if failed == 0 {
            return Ok(());
        }
        let length = self.text_len.call(&mut self.store, ()).expect("text_len");
        Err(String::from_utf8_lossy(&self.text(length)).into_owned())
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

impl Engine for Module {
    fn run_to(&mut self, count: u64) -> End {
        let end = self.run_to.call(&mut self.store, count);
        End::from_number(end.expect("the module does not trap"))
    }

    fn instructions(&mut self) -> u64 {
        self.instructions
            .call(&mut self.store, ())
            .expect("instructions")
    }

    fn digest(&mut self) -> Digest {
        let at = self.digest.call(&mut self.store, ()).expect("digest");
        let mut digest = Digest([0; 32]);
        self.memory
            .read(&self.store, at as usize, &mut digest.0)
            .expect("a digest");
        digest
    }

    fn next_fetch(&mut self) -> Option<u32> {
        let index = self.next_fetch.call(&mut self.store, ());
        u32::try_from(index.expect("next_fetch")).ok()
    }

    fn arrived(&mut self, index: u32, raw: Vec<u8>) -> Result<(), String> {
        self.put(&raw);
        let failed = self.arrived.call(&mut self.store, index);
        self.said(failed.expect("arrived"))
    }

    fn printed(&mut self) -> Vec<u8> {
        let length = self.printed.call(&mut self.store, ()).expect("printed");
        self.text(length)
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
