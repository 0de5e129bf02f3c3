//! Fetching files over HTTP: bounded, verified, and resumed where they were interrupted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use ureq::tls::{RootCerts, TlsConfig};

use super::cache::unwritable;
use super::digest::Sha256;
use super::progress::{Progress, Task};
use crate::host::files;

/// Attempts in a row that may bring no byte before a download is given up.
const BARREN_ATTEMPTS: u32 = 4;
/// First pause between attempts; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Why a fetch failed.
#[derive(Debug)]
pub enum Failure {
    /// The server answered that there is no such file (404 or 410).
    Gone(String),
    /// Anything else, with the remedy in the text.
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// What can be done about a server that does not serve.
const OTHER_MIRROR: &str = "name another mirror with --mirror";

impl Failure {
    /// The failure as an ordinary error.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::Gone(url) => anyhow!(
                "{url} is not there (404); {OTHER_MIRROR}, the directory that has dists/ and pool/"
            ),
            Self::Other(error) => error,
        }
    }
}

/// What to do after one attempt that failed.
enum Broken {
    /// A fault that may pass. Who gives up says what else can be done.
    Retry(anyhow::Error),
    /// A fault that will not.
    Final(Failure),
    /// The server does not accept the range: begin again.
    Restart,
}

/// A client; connections are kept between requests.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    pause: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client that uses the proxies of the environment and the host's certificates.
    pub fn new() -> Self {
        Self {
            agent: Self::config().build().new_agent(),
            pause: FIRST_PAUSE,
        }
    }

    /// A client for servers of tests: no proxy, no time lost.
    #[cfg(test)]
    pub fn direct() -> Self {
        Self {
            agent: Self::config().proxy(None).build().new_agent(),
            pause: Duration::from_millis(1),
        }
    }

    fn config() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .user_agent(concat!("virtarium/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(Duration::from_secs(20)))
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(30)))
    }

    /// A small file, at most `limit` bytes, into memory.
    ///
    /// # Errors
    /// [`Failure::Gone`] if there is none; otherwise what went wrong, with the URL.
    pub fn bytes(&self, url: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut pause = self.pause;
        for attempt in 1.. {
            match self.bytes_once(url, limit) {
                Ok(bytes) => return Ok(bytes),
                Err(Broken::Retry(error)) if attempt >= BARREN_ATTEMPTS => {
                    return Err(Failure::Other(anyhow!("{error:#}; {OTHER_MIRROR}")));
                }
                Err(Broken::Final(failure)) => return Err(failure),
                Err(Broken::Retry(_) | Broken::Restart) => {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
            }
        }
        Err(Failure::Other(anyhow!("cannot fetch {url}")))
    }

    fn bytes_once(&self, url: &str, limit: u64) -> Result<Vec<u8>, Broken> {
        let (_, body) = self.get(url, 0)?;
        let mut bytes = Vec::new();
        body.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Broken::Retry(anyhow!("fetching {url} broke off: {error}")))?;
        if bytes.len() as u64 > limit {
            let error = anyhow!("{url} is larger than {limit} bytes, which it should not be");
            return Err(Broken::Final(Failure::Other(error)));
        }
        Ok(bytes)
    }

    /// A file of known size and hash to `target`. What an earlier attempt left in
    /// `target.part` is used. The file appears only when its hash is right; it is fetched
    /// anew once when it is wrong.
    ///
    /// # Errors
    /// [`Failure::Gone`] if there is none; otherwise what went wrong, with the URL.
    pub fn download(
        &self,
        url: &str,
        target: &Path,
        size: u64,
        sha256: Sha256,
        task: &mut Task,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let mut part = target.as_os_str().to_owned();
        part.push(".part");
        let part = Path::new(&part);
        let before = task.done();
        let mut wrong = false;
        loop {
            self.fill(url, part, size, before, task)?;
            let got = Sha256::of_file(part)?;
            if got == sha256 {
                return fs::rename(part, target)
                    .map_err(|error| Failure::Other(unwritable(target, error)));
            }
            fs::remove_file(part).map_err(|error| Failure::Other(unwritable(part, error)))?;
            if wrong {
                return Err(Failure::Other(anyhow!(
                    "{url} has the wrong content twice (SHA-256 {got}, expected {sha256}); \
                     the mirror or something on the way to it is damaged: name another \
                     with --mirror"
                )));
            }
            wrong = true;
            progress.note(&format!("{url} came damaged; fetching it again"));
        }
    }

    /// Fetches until `part` holds `size` bytes. Bounded by attempts without a new byte.
    fn fill(
        &self,
        url: &str,
        part: &Path,
        size: u64,
        before: u64,
        task: &mut Task,
    ) -> Result<(), Failure> {
        let mut barren = 0;
        let mut restarts = 0;
        let mut pause = self.pause;
        if fs::symlink_metadata(part).is_ok_and(|meta| !meta.is_file()) {
            fs::remove_file(part).map_err(|error| Failure::Other(unwritable(part, error)))?;
        }
        loop {
            let mut have = fs::metadata(part).map_or(0, |meta| meta.len());
            if have > size {
                fs::remove_file(part).map_err(|error| Failure::Other(unwritable(part, error)))?;
                have = 0;
            }
            task.set(before + have);
            if have == size {
                return Ok(());
            }
            let error = match self.transfer(url, part, have, size, before, task) {
                Ok(()) => anyhow!("{url} broke off"),
                Err(Broken::Retry(error)) => error,
                Err(Broken::Final(failure)) => return Err(failure),
                Err(Broken::Restart) if restarts == 0 => {
                    restarts += 1;
                    fs::remove_file(part)
                        .map_err(|error| Failure::Other(unwritable(part, error)))?;
                    continue;
                }
                Err(Broken::Restart) => anyhow!("{url}: the server refuses a range twice"),
            };
            let now = fs::metadata(part).map_or(0, |meta| meta.len());
            if now == size {
                continue;
            }
            if now > have {
                barren = 0;
                pause = self.pause;
            } else {
                barren += 1;
                if barren >= BARREN_ATTEMPTS {
                    return Err(Failure::Other(anyhow!(
                        "gave up after {barren} attempts without a byte: {error:#}; {OTHER_MIRROR}"
                    )));
                }
                std::thread::sleep(pause);
                pause *= 2;
            }
        }
    }

    /// One request; appends what comes to `part`, at most up to `size`.
    fn transfer(
        &self,
        url: &str,
        part: &Path,
        have: u64,
        size: u64,
        before: u64,
        task: &mut Task,
    ) -> Result<(), Broken> {
        let (start, body) = self.get(url, have)?;
        let disk = |error| Broken::Final(Failure::Other(unwritable(part, error)));
        let mut file = open_part(part, start).map_err(disk)?;
        let mut body = body.take(size - start);
        let mut at = start;
        let mut buffer = vec![0; 128 << 10];
        loop {
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Broken::Retry(anyhow!("fetching {url} broke off: {error}")));
                }
            };
            file.write_all(buffer.get(..n).unwrap_or_default())
                .map_err(disk)?;
            at += n as u64;
            task.set(before + at);
        }
        file.sync_data().map_err(disk)
    }

    /// Sends the request and reads the head of the answer. Gives where the body begins in
    /// the file: `from`, or 0 when the server ignores the range (RFC 9110, 14.2).
    fn get(&self, url: &str, from: u64) -> Result<(u64, impl Read + use<>), Broken> {
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| broken(url, error))?;
        let status = response.status().as_u16();
        let start = match status {
            200 => 0,
            206 if from > 0 => {
                let header = response.headers().get("content-range");
                let begins = header
                    .and_then(|value| value.to_str().ok())
                    .and_then(|value| value.trim().strip_prefix("bytes "))
                    .and_then(|value| value.trim().split('-').next()?.parse::<u64>().ok());
                if begins != Some(from) {
                    return Err(Broken::Restart);
                }
                from
            }
            404 | 410 => return Err(Broken::Final(Failure::Gone(url.to_owned()))),
            416 => return Err(Broken::Restart),
            408 | 429 | 500..=599 => {
                return Err(Broken::Retry(anyhow!("{url}: the server answers {status}")));
            }
            _ => {
                return Err(Broken::Final(Failure::Other(anyhow!(
                    "{url}: the server answers {status}; check the mirror and the proxy settings"
                ))));
            }
        };
        Ok((start, response.into_body().into_reader()))
    }
}

/// Opens the partial file for writing at `start`, and cuts what lies behind.
fn open_part(part: &Path, start: u64) -> io::Result<File> {
    // Bytes of a server's are not to go through a link that somebody has put there.
    let mut file = files::without_links(&mut OpenOptions::new())
        .write(true)
        .create(true)
        .truncate(false)
        .open(part)?;
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(file)
}

/// Sorts the client's errors by whether another attempt can help.
fn broken(url: &str, error: ureq::Error) -> Broken {
    let advice = "check the network and the proxy settings";
    match error {
        ureq::Error::HostNotFound => Broken::Final(Failure::Other(anyhow!(
            "cannot reach {url}: the host's name is not known; {advice}, or \
             {OTHER_MIRROR}"
        ))),
        ureq::Error::BadUri(text) => Broken::Final(Failure::Other(anyhow!(
            "{url} is not a URL that can be fetched: {text}"
        ))),
        error => Broken::Retry(anyhow!("cannot reach {url} ({error}); {advice}")),
    }
}

#[cfg(test)]
mod tests;
