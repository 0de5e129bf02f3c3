//! The way from a lock to packages, against a mirror of the test's own.

use super::*;
use crate::image::testing::server::{Answer, Server};
use crate::image::testing::{DebBuilder, Directory, Signer, directory, xz};

const IMAGES: &str =
    "suite = 'sid'\narchitecture = 'riscv64'\n[images.app]\npackages = ['app-1.*-x']\n";

/// A mirror, a cache and a lock that pins `app-1.1-x`.
struct Bench {
    server: Server,
    dir: Directory,
}

fn deb(name: &str) -> Vec<u8> {
    DebBuilder::new(name, "1")
        .file("f", name.as_bytes())
        .bytes()
}

fn pool(name: &str) -> String {
    format!("pool/main/a/{name}_1_riscv64.deb")
}

impl Bench {
    fn new(name: &str) -> Self {
        let bench = Self {
            server: Server::start(),
            dir: directory(name),
        };
        std::fs::write(bench.dir.path().join("ring"), Signer::new(1).public_key()).unwrap();
        bench
    }

    fn lock_of(name: &str) -> String {
        let content = deb(name);
        format!(
            "version = 1\nsuite = 'sid'\narchitecture = 'riscv64'\ndate = 'd'\n\
             [images]\napp = ['{name}']\n[[package]]\nname = '{name}'\nversion = '1'\n\
             file = '{}'\nsize = {}\nsha256 = '{}'\n",
            pool(name),
            content.len(),
            Sha256::of(&content)
        )
    }

    fn options(&self) -> Options {
        Options {
            mirror: Some(self.server.root()),
            cache: Some(self.dir.path().join("cache")),
            keyring: Some(self.dir.path().join("ring")),
            progress: Progress::silent(),
            client: Some(Client::direct()),
            committed: Some((IMAGES.to_owned(), Self::lock_of("app-1.1-x"))),
            ..Options::default()
        }
    }

    fn serve(&self, name: &str) {
        self.server.answer(&pool(name), Answer::Content(deb(name)));
    }

    /// Puts a signed index onto the mirror that has `app-1.2-x`.
    fn serve_index(&self, signer: &Signer, damage: bool) {
        let content = deb("app-1.2-x");
        let list = format!(
            "Package: app-1.2-x\nVersion: 1\nFilename: {}\nSize: {}\nSHA256: {}\n",
            pool("app-1.2-x"),
            content.len(),
            Sha256::of(&content)
        );
        let list = xz(list.as_bytes());
        let hash = Sha256::of(&list);
        let path = "main/binary-riscv64/Packages.xz";
        let release = format!(
            "Codename: sid\nDate: today\nSHA256:\n {hash} {} {path}\n",
            list.len()
        );
        let served = if damage { vec![7; list.len()] } else { list };
        let file = signer.clear_sign(&release).into_bytes();
        self.server
            .answer("dists/sid/InRelease", Answer::Content(file));
        self.server
            .answer(&format!("dists/sid/{path}"), Answer::Content(served));
    }
}

fn fetch(options: &Options) -> Result<Vec<u8>> {
    let mut store = Store::open(options)?;
    let packages = store.fetch("app")?;
    Ok(std::fs::read(&packages[0].1)?)
}

#[test]
fn a_pinned_package_is_fetched_once() {
    let bench = Bench::new("store-once");
    bench.serve("app-1.1-x");
    let options = bench.options();
    assert_eq!(fetch(&options).unwrap(), deb("app-1.1-x"));
    assert_eq!(fetch(&options).unwrap(), deb("app-1.1-x"));
    assert_eq!(bench.server.requests(&pool("app-1.1-x")).len(), 1);
}

#[test]
fn a_damaged_package_in_the_cache_is_fetched_again() {
    let bench = Bench::new("store-damaged");
    bench.serve("app-1.1-x");
    let options = bench.options();
    fetch(&options).unwrap();
    let path = bench
        .dir
        .path()
        .join("cache/packages/app-1.1-x_1_riscv64.deb");
    std::fs::write(&path, b"rubbish").unwrap();
    assert_eq!(fetch(&options).unwrap(), deb("app-1.1-x"));
}

#[test]
fn two_at_once_fetch_one_file() {
    let bench = Bench::new("store-two");
    bench.serve("app-1.1-x");
    let options = bench.options();
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| fetch(&options).unwrap()));
        for one in both {
            assert_eq!(one.join().unwrap(), deb("app-1.1-x"));
        }
    });
    assert_eq!(bench.server.requests(&pool("app-1.1-x")).len(), 1);
}

#[test]
fn a_package_that_is_gone_is_replaced_by_the_newest_of_the_signed_index() {
    let bench = Bench::new("store-gone");
    bench.serve("app-1.2-x");
    bench.serve_index(&Signer::new(1), false);
    let options = bench.options();
    assert_eq!(fetch(&options).unwrap(), deb("app-1.2-x"));
    // The local lock holds from then on: nobody asks for the old one or the index again.
    fetch(&options).unwrap();
    assert_eq!(bench.server.requests(&pool("app-1.1-x")).len(), 1);
    assert_eq!(bench.server.requests("dists/sid/InRelease").len(), 1);
    // Another committed lock makes it void.
    let mut other = bench.options();
    other.committed = Some((IMAGES.to_owned(), Bench::lock_of("app-1.0-x")));
    let store = Store::open(&other).unwrap();
    assert_eq!(store.lock().images["app"], ["app-1.0-x"]);
}

#[test]
fn locked_refuses_another_version() {
    let bench = Bench::new("store-locked");
    bench.serve("app-1.2-x");
    bench.serve_index(&Signer::new(1), false);
    let mut options = bench.options();
    options.locked = true;
    let error = format!("{:#}", fetch(&options).unwrap_err());
    assert!(error.contains("--locked"), "{error}");
    assert!(bench.server.requests("dists/sid/InRelease").is_empty());
}

#[test]
fn an_index_that_is_forged_or_damaged_is_refused() {
    let bench = Bench::new("store-forged");
    bench.serve("app-1.2-x");
    bench.serve_index(&Signer::new(2), false);
    let error = format!("{:#}", fetch(&bench.options()).unwrap_err());
    assert!(error.contains("cannot be trusted"), "{error}");
    bench.serve_index(&Signer::new(1), true);
    let error = format!("{:#}", fetch(&bench.options()).unwrap_err());
    assert!(error.contains("not the list that was signed"), "{error}");
    assert!(bench.server.requests(&pool("app-1.2-x")).is_empty());
}

#[test]
fn sources_are_fetched_only_where_they_are_named() {
    let bench = Bench::new("store-sources");
    bench.serve("app-1.1-x");
    let lock = Bench::lock_of("app-1.1-x").replace("app = [", "kernel-source = [");
    let mut options = bench.options();
    options.committed = Some((IMAGES.to_owned(), lock));
    crate::image::fetch(&options, &[]).unwrap();
    assert!(bench.server.requests(&pool("app-1.1-x")).is_empty());
    crate::image::fetch(&options, &["kernel-source".to_owned()]).unwrap();
    assert_eq!(bench.server.requests(&pool("app-1.1-x")).len(), 1);
}

const RECIPE: Recipe = Recipe {
    name: "test",
    inputs: &["app"],
    texts: &[],
};

#[test]
fn an_image_is_built_once_and_again_when_it_is_damaged() {
    let bench = Bench::new("store-image");
    bench.serve("app-1.1-x");
    let options = bench.options();
    let mut built = 0;
    let mut image = || {
        let mut store = Store::open(&options).unwrap();
        let dir = store.image(&RECIPE, |inputs, dir| {
            built += 1;
            let content = std::fs::read(inputs.only("app")?)?;
            write_atomically(&dir.join("copy"), &content)
        });
        dir.unwrap()
    };
    let dir = image();
    assert_eq!(image(), dir);
    std::fs::write(dir.join("copy"), b"damaged").unwrap();
    assert_eq!(image(), dir);
    assert_eq!(std::fs::read(dir.join("copy")).unwrap(), deb("app-1.1-x"));
    assert_eq!(built, 2);
    // Its manifest says what it was made from.
    let text = std::fs::read_to_string(dir.join(MANIFEST)).unwrap();
    let manifest: Manifest = toml::from_str(&text).unwrap();
    let lock = Lock::parse(&Bench::lock_of("app-1.1-x")).unwrap();
    assert_eq!(manifest.packages, lock.packages);
}

#[test]
fn a_failed_build_leaves_nothing() {
    let bench = Bench::new("store-failed");
    bench.serve("app-1.1-x");
    let options = bench.options();
    let mut store = Store::open(&options).unwrap();
    let result = store.image(&RECIPE, |_, dir| {
        write_atomically(&dir.join("half"), b"x")?;
        bail!("no more");
    });
    let error = format!("{:#}", result.unwrap_err());
    assert_eq!(error, "cannot build the image test: no more");
    assert!(store.built().unwrap().is_empty());
    let left = std::fs::read_dir(bench.dir.path().join("cache/images")).unwrap();
    assert_eq!(left.count(), 0);
}

#[cfg(unix)]
#[test]
fn a_complete_cache_may_be_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new("store-readonly");
    bench.serve("app-1.1-x");
    let options = bench.options();
    fetch(&options).unwrap();
    let cache = bench.dir.path().join("cache");
    let set = |mode| {
        for dir in [cache.clone(), cache.join("packages"), cache.join("locks")] {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    let result = fetch(&options);
    set(0o755);
    assert_eq!(result.unwrap(), deb("app-1.1-x"));
}
