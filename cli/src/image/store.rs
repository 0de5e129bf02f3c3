//! From a lock to verified packages, and from packages to built images in the cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::Options;
use super::cache::{Cache, unwritable, write_atomically};
use super::closure::Archive;
use super::digest::Sha256;
use super::http::{Client, Failure};
use super::index::Index;
use super::lock::{Lock, Package};
use super::mirror::Mirror;
use super::openpgp::Keyring;
use super::progress::{Progress, Task, megabytes};
use super::recipe::{self, Images};

/// Raised when the same recipe and packages would give another image.
const BUILDER: u32 = 1;
/// Files of an image up to this size are hashed at every use, larger ones only by
/// `image verify`.
const HASHED_AT_USE: u64 = 64 << 20;
/// Name of the list of files within a built image.
const MANIFEST: &str = "manifest.toml";

/// The cache, the lock in force, and the way to the mirror.
pub struct Store<'a> {
    options: &'a Options,
    cache: Cache,
    lock: Lock,
    client: Option<(Client, Mirror)>,
}

/// The verified packages that a recipe is built from.
pub struct Inputs {
    /// Packages and their files, by the name of the lock's image.
    pub packages: BTreeMap<String, Vec<(Package, PathBuf)>>,
    /// Where progress goes.
    pub progress: Progress,
}

impl Inputs {
    /// The file of an input that is one package.
    ///
    /// # Errors
    /// If the lock gives it none or several.
    pub fn only(&self, image: &str) -> Result<&Path> {
        match self.packages.get(image).map(Vec::as_slice) {
            Some([(_, path)]) => Ok(path),
            _ => bail!("the lock file must give {image} exactly one package"),
        }
    }
}

/// How an image is built.
pub struct Recipe {
    /// Its name in the cache.
    pub name: &'static str,
    /// The lock's images whose packages it takes.
    pub inputs: &'static [&'static str],
    /// The files of `guest/images` that it takes.
    pub texts: &'static [recipe::Text],
}

/// What a built image consists of, and what it was made from.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    #[serde(default, rename = "package")]
    packages: Vec<Package>,
    #[serde(rename = "file")]
    files: Vec<ManifestFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ManifestFile {
    name: String,
    size: u64,
    sha256: Sha256,
}

impl<'a> Store<'a> {
    /// Opens the cache and reads the lock: the option's, else a local one that replaces the
    /// committed one, else the committed one.
    ///
    /// # Errors
    /// If there is no place for a cache, or the option's lock cannot be read.
    pub fn open(options: &'a Options) -> Result<Self> {
        let cache = Cache::find(options.cache.as_deref())?;
        let lock = match &options.lock {
            Some(path) => Lock::read(path)?,
            None => Self::own_lock(&cache, options)?,
        };
        Ok(Self {
            options,
            cache,
            lock,
            client: None,
        })
    }

    fn own_lock(cache: &Cache, options: &Options) -> Result<Lock> {
        let committed = committed_lock(options);
        let hash = Sha256::of(committed.as_bytes());
        let committed = Lock::parse(committed).context("the committed lock is wrong")?;
        let path = cache.path("debian.lock");
        if options.locked || !path.exists() {
            return Ok(committed);
        }
        match Lock::read(&path) {
            Ok(local) if local.replaces == Some(hash) => Ok(local),
            Ok(_) => Ok(committed),
            Err(error) => {
                options.progress.warn(&format!("{error:#}; it is not used"));
                Ok(committed)
            }
        }
    }

    /// The lock in force.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Where a package lies in the cache once it is there.
    pub fn package_path(&self, package: &Package) -> PathBuf {
        self.cache
            .path(&format!("packages/{}", package.file_name()))
    }

    /// Where the files of a recipe lie once they are built, with the lock in force.
    ///
    /// # Errors
    /// If the lock lacks an input.
    pub fn image_path(&self, recipe: &Recipe) -> Result<PathBuf> {
        let mut text = format!("{BUILDER}\n{}\n", recipe.name);
        for input in recipe.inputs {
            for package in self.lock.packages_of(input)? {
                text.push_str(&format!("{input} {} {}\n", package.name, package.sha256));
            }
        }
        for (name, content) in recipe.texts {
            text.push_str(&format!("{name} {}\n", Sha256::of(content.as_bytes())));
        }
        let key = Sha256::of(text.as_bytes()).short();
        Ok(self.cache.path(&format!("images/{}-{key}", recipe.name)))
    }

    /// The directory of a built image; fetches and builds what is not there. `build` writes
    /// the image's files into an empty directory.
    ///
    /// # Errors
    /// Whatever fetching or building says.
    pub fn image(
        &mut self,
        recipe: &Recipe,
        build: impl FnOnce(&Inputs, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        if let Some(dir) = self.ready(recipe)? {
            return Ok(dir);
        }
        let guard = self.cache.lock(recipe.name, &self.options.progress)?;
        let mut packages = BTreeMap::new();
        for input in recipe.inputs {
            if let Some(dir) = self.ready(recipe)? {
                return Ok(dir);
            }
            packages.insert((*input).to_owned(), self.fetch(input)?);
        }
        let inputs = Inputs {
            packages,
            progress: self.options.progress.clone(),
        };
        let dir = self.image_path(recipe)?;
        self.options
            .progress
            .note(&format!("building the image {}", recipe.name));
        self.build(recipe, &inputs, build, &dir)?;
        drop(guard);
        Ok(dir)
    }

    fn build(
        &self,
        recipe: &Recipe,
        inputs: &Inputs,
        build: impl FnOnce(&Inputs, &Path) -> Result<()>,
        dir: &Path,
    ) -> Result<()> {
        let images = self.cache.dir("images")?;
        let scratch = images.join(format!(".{}.new", recipe.name));
        // What a killed process left; the lock on the name is held.
        remove(&scratch)?;
        remove(dir)?;
        fs::create_dir(&scratch).map_err(|error| unwritable(&scratch, error))?;
        let made = build(inputs, &scratch)
            .and_then(|()| write_manifest(&scratch, inputs))
            .and_then(|()| fs::rename(&scratch, dir).map_err(|error| unwritable(dir, error)));
        if made.is_err() {
            let _ = fs::remove_dir_all(&scratch);
        }
        made.with_context(|| format!("cannot build the image {}", recipe.name))
    }

    /// The directory of a built image if it is there and whole.
    ///
    /// # Errors
    /// If the lock lacks an input.
    pub fn ready(&self, recipe: &Recipe) -> Result<Option<PathBuf>> {
        let dir = self.image_path(recipe)?;
        if !dir.exists() {
            return Ok(None);
        }
        match check_image(&dir, HASHED_AT_USE) {
            Ok(()) => Ok(Some(dir)),
            Err(error) => {
                self.options
                    .progress
                    .note(&format!("{error:#}; building it again"));
                Ok(None)
            }
        }
    }

    /// Directories of all built images, of any lock.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub fn built(&self) -> Result<Vec<PathBuf>> {
        let images = self.cache.path("images");
        let entries = match fs::read_dir(&images) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", images.display()));
            }
        };
        let mut dirs: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .map(|entry| entry.path())
            .collect();
        dirs.sort();
        Ok(dirs)
    }

    /// The packages of one of the lock's images, fetched and verified. If a pinned one has
    /// left the archive, the newest ones take the place of the lock, with a warning.
    ///
    /// # Errors
    /// What the mirror or the disk says, in one line.
    pub fn fetch(&mut self, image: &str) -> Result<Vec<(Package, PathBuf)>> {
        let mut renewed = false;
        loop {
            let packages: Vec<Package> =
                self.lock.packages_of(image)?.into_iter().cloned().collect();
            match self.fetch_all(image, &packages) {
                Ok(paths) => return Ok(packages.into_iter().zip(paths).collect()),
                Err(Failure::Gone(url)) if !renewed => {
                    self.renew(&url)?;
                    renewed = true;
                }
                Err(failure) => return Err(failure.into_error()),
            }
        }
    }

    /// Puts a lock of the newest packages in the place of the one in force.
    fn renew(&mut self, gone: &str) -> Result<()> {
        if self.options.locked {
            bail!(
                "{gone} is no longer there, and --locked allows no other version; \
                 run without it, or write a new lock with `virtarium image lock`"
            );
        }
        let progress = self.options.progress.clone();
        progress.warn(&format!(
            "{gone} is no longer there; taking the newest versions from the signed index"
        ));
        let mut lock = self.newest()?;
        for package in &lock.packages {
            let old = self
                .lock
                .packages
                .iter()
                .find(|old| old.name == package.name);
            if old.is_none_or(|old| old.version != package.version) {
                progress.warn(&format!(
                    "{} {} in place of {}",
                    package.name,
                    package.version,
                    old.map_or("nothing", |old| &old.version)
                ));
            }
        }
        lock.replaces = Some(Sha256::of(committed_lock(self.options).as_bytes()));
        // A lock that the caller named stays as it is, and has no local one.
        if self.options.lock.is_none() {
            let path = self.cache.dir("")?.join("debian.lock");
            write_atomically(&path, lock.to_text()?.as_bytes())?;
            progress.note(&format!("the lock in force is now {}", path.display()));
        }
        self.lock = lock;
        Ok(())
    }

    /// A lock of the newest packages of the mirror.
    ///
    /// # Errors
    /// If the index cannot be had or trusted, or a package is not in it.
    pub fn newest(&mut self) -> Result<Lock> {
        let keys = match &self.options.keyring {
            Some(path) => fs::read(path)
                .with_context(|| format!("cannot read the key ring {}", path.display()))?,
            None => recipe::KEYS.1.as_bytes().to_vec(),
        };
        let keyring = Keyring::parse(&keys)?;
        let images = images(self.options)?;
        let (client, mirror) = self.client()?;
        let index = Index::fetch(
            client,
            mirror,
            &keyring,
            &images.suite,
            &images.architecture,
        )?;
        Archive::new(&index).lock(&images)
    }

    fn fetch_all(&mut self, label: &str, packages: &[Package]) -> Result<Vec<PathBuf>, Failure> {
        let missing: Vec<&Package> = packages
            .iter()
            .filter(|package| !self.is_cached(package))
            .collect();
        if !missing.is_empty() {
            self.cache.dir("packages")?;
            let total = missing.iter().map(|package| package.size).sum();
            let progress = self.options.progress.clone();
            progress.note(&format!(
                "fetching {label}: {} of {} packages, {}",
                missing.len(),
                packages.len(),
                megabytes(total)
            ));
            let mut task = progress.bytes(label, total);
            let mut before = 0;
            for package in missing {
                self.fetch_one(package, &mut task)?;
                before += package.size;
                task.set(before);
            }
        }
        Ok(packages
            .iter()
            .map(|package| self.package_path(package))
            .collect())
    }

    /// Whether the package lies in the cache with the right content.
    fn is_cached(&self, package: &Package) -> bool {
        let path = self.package_path(package);
        if !path.exists() {
            return false;
        }
        let right = Sha256::of_file(&path).is_ok_and(|got| got == package.sha256);
        if !right {
            self.options.progress.note(&format!(
                "{} in the cache is damaged; fetching it again",
                package.file_name()
            ));
        }
        right
    }

    fn fetch_one(&mut self, package: &Package, task: &mut Task) -> Result<(), Failure> {
        let progress = self.options.progress.clone();
        let _guard = self.cache.lock(package.file_name(), &progress)?;
        let target = self.package_path(package);
        // Another process may have brought it while this one waited.
        if Sha256::of_file(&target).is_ok_and(|got| got == package.sha256) {
            return Ok(());
        }
        let (client, mirror) = self.client()?;
        client.download(
            &mirror.url(&package.file),
            &target,
            package.size,
            package.sha256,
            task,
            &progress,
        )
    }

    fn client(&mut self) -> Result<&(Client, Mirror)> {
        if self.client.is_none() {
            let mirror = Mirror::find(self.options.mirror.as_deref(), Path::new("/"))?;
            self.client = Some((new_client(self.options), mirror));
        }
        self.client
            .as_ref()
            .ok_or_else(|| anyhow!("no client for the mirror"))
    }
}

#[cfg(not(test))]
fn new_client(_: &Options) -> Client {
    Client::new()
}

#[cfg(not(test))]
fn committed_lock(_: &Options) -> &str {
    recipe::LOCK.1
}

#[cfg(not(test))]
fn images(_: &Options) -> Result<Images> {
    Images::own()
}

#[cfg(test)]
fn new_client(options: &Options) -> Client {
    options.client.clone().unwrap_or_default()
}

#[cfg(test)]
fn committed_lock(options: &Options) -> &str {
    options
        .committed
        .as_ref()
        .map_or(recipe::LOCK.1, |(_, lock)| lock)
}

#[cfg(test)]
fn images(options: &Options) -> Result<Images> {
    match &options.committed {
        Some((images, _)) => Ok(toml::from_str(images)?),
        None => Images::own(),
    }
}

/// Removes a file or a directory with what is in it, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    gone.map_err(|error| unwritable(path, error))
}

fn write_manifest(dir: &Path, inputs: &Inputs) -> Result<()> {
    let packages = inputs.packages.values().flatten();
    let packages = packages.map(|(package, _)| package.clone()).collect();
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        files.push(ManifestFile {
            name: name.unwrap_or_default().to_owned(),
            size: fs::metadata(&path)?.len(),
            sha256: Sha256::of_file(&path)?,
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let text = toml::to_string(&Manifest { packages, files })?;
    write_atomically(&dir.join(MANIFEST), text.as_bytes())
}

/// The packages that a built image was made of.
///
/// # Errors
/// If the directory is none of a built image.
pub fn packages_of(dir: &Path) -> Result<Vec<Package>> {
    Ok(read_manifest(dir)?.packages)
}

fn read_manifest(dir: &Path) -> Result<Manifest> {
    let text = fs::read_to_string(dir.join(MANIFEST)).ok();
    let manifest = text.and_then(|text| toml::from_str(&text).ok());
    manifest.ok_or_else(|| damaged(dir, MANIFEST))
}

fn damaged(dir: &Path, name: &str) -> anyhow::Error {
    anyhow!("{} is damaged", dir.join(name).display())
}

/// Checks a built image against its manifest; files larger than `hashed` by size only.
///
/// # Errors
/// Names the file that is not what it should be.
pub fn check_image(dir: &Path, hashed: u64) -> Result<()> {
    let manifest = read_manifest(dir)?;
    for file in &manifest.files {
        let path = dir.join(&file.name);
        let size = fs::metadata(&path).map(|meta| meta.len()).ok();
        let right = size == Some(file.size)
            && (file.size > hashed || Sha256::of_file(&path).ok() == Some(file.sha256));
        if !right {
            return Err(damaged(dir, &file.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
