//! From a request to its answer.

use std::collections::VecDeque;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::body::Answer;
use super::files::{self, Folder, Found};
use super::path::{is_by_hash, resolve};
use super::range::{self, Wanted};

/// Packed files that are kept, and their bytes in all.
const PACKED: usize = 16;
const PACKED_SIZE: usize = 16 << 20;
/// What is smaller is not worth being packed.
const WORTH_PACKING: usize = 1 << 10;

/// Headers that a page of another origin may read.
const EXPOSED: &str = "accept-ranges, content-encoding, content-length, content-range, etag";
/// Headers that it may send.
const ALLOWED: &str = "if-match, if-none-match, if-range, range";

/// What is served.
pub struct Site {
    folder: Folder,
    policy: Option<HeaderValue>,
    packed: Mutex<VecDeque<(String, Bytes)>>,
}

/// The policy that the page runs under. `blob:` is for a page of another origin that starts the
/// worker of this one. It goes with scripts as well, since a worker has that of its own answer.
pub fn policy(images: &[String]) -> String {
    let connect: String = images.iter().map(|origin| format!(" {origin}")).collect();
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'{connect}; \
         style-src 'self' 'unsafe-inline'; worker-src 'self' blob:"
    )
}

impl Site {
    /// Serves a folder, with this policy for its pages; without one, they have what they say
    /// themselves.
    pub fn new(folder: Folder, policy: Option<HeaderValue>) -> Self {
        Self {
            folder,
            policy,
            packed: Mutex::default(),
        }
    }

    /// Answers a request. What reads and packs files runs beside the other connections.
    pub async fn answer<B>(self: Arc<Self>, request: Request<B>) -> Response<Answer> {
        let (request, _) = request.into_parts();
        let policy = self.policy.clone();
        let (head, preflight) = (
            request.method == Method::HEAD,
            request.method == Method::OPTIONS,
        );
        let answered = match request.method {
            Method::GET | Method::HEAD => {
                let mut asked = Asked::new(&request.headers);
                if head {
                    // RFC 9110, 14.2: ranges are for GET only.
                    asked.range = None;
                }
                let path = request.uri.path().to_owned();
                let work = move || self.file(&path, &asked);
                tokio::task::spawn_blocking(work)
                    .await
                    .unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            Method::OPTIONS => Ok(status(StatusCode::NO_CONTENT)),
            _ => Ok(status(StatusCode::METHOD_NOT_ALLOWED)),
        };
        // What goes wrong here is said here; a client learns that something did.
        let mut response = answered.unwrap_or_else(|error| {
            let _ = writeln!(io::stderr(), "virtarium: {}: {error}", request.uri.path());
            status(StatusCode::INTERNAL_SERVER_ERROR)
        });
        let length = hyper::body::Body::size_hint(response.body()).exact();
        let code = response.status();
        let headers = response.headers_mut();
        if code == StatusCode::METHOD_NOT_ALLOWED {
            set(headers, header::ALLOW, "GET, HEAD, OPTIONS");
        }
        if preflight {
            set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD");
            set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
            set(headers, header::ACCESS_CONTROL_MAX_AGE, "86400");
        }
        set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        set(
            headers,
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        );
        set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(headers, header::REFERRER_POLICY, "no-referrer");
        if let Some(policy) = policy {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if let Some(length) = length
            && !matches!(code, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        if head {
            *response.body_mut() = Answer::nothing();
        }
        response
    }

    fn file(&self, path: &str, asked: &Asked) -> io::Result<Response<Answer>> {
        let Some(name) = resolve(path) else {
            return Ok(status(StatusCode::NOT_FOUND));
        };
        let (kind, text) = files::kind(&name);
        let (mut content, mut tag) = match self.folder.find(&name) {
            Found::Nothing => return Ok(status(StatusCode::NOT_FOUND)),
            Found::Folder => return Ok(moved(path)),
            Found::Small(bytes) => {
                let tag = files::tag(&bytes);
                (Content::Small(bytes.into()), tag)
            }
            Found::Large(file, size, tag) => (Content::Large(file, size), tag),
        };
        let mut response = status(StatusCode::OK);
        let headers = response.headers_mut();
        set(headers, header::CONTENT_TYPE, kind);
        set(headers, header::ACCEPT_RANGES, "bytes");
        set(
            headers,
            header::CACHE_CONTROL,
            match is_by_hash(&name) {
                // A proxy that packs would change what the hash is of, and ranges.
                true => "public, max-age=31536000, immutable, no-transform",
                false => "no-cache",
            },
        );
        if text {
            set(headers, header::VARY, "accept-encoding");
            // A part is one of the file as it is, and so is the tag that the part is asked with.
            if let Content::Small(bytes) = &content
                && asked.gzip
                && asked.range.is_none()
                && bytes.len() >= WORTH_PACKING
            {
                tag = format!("{}-gzip\"", tag.trim_end_matches('"'));
                content = Content::Small(self.pack(&tag, bytes)?);
                set(headers, header::CONTENT_ENCODING, "gzip");
            }
        }
        headers.insert(header::ETAG, value(&tag));
        // RFC 9110, 13.2.2: this comes before all other conditions, which come before the range.
        if asked
            .matches
            .as_deref()
            .is_some_and(|tags| !names(tags, &tag, false))
        {
            return Ok(status(StatusCode::PRECONDITION_FAILED));
        }
        if asked
            .none_match
            .as_deref()
            .is_some_and(|tags| names(tags, &tag, true))
        {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
                response.headers_mut().remove(name);
            }
            return Ok(response);
        }
        let size = content.size();
        // RFC 9110, 13.1.5: another tag, or a date, which there is none of here, means all of it.
        let unchanged = asked.if_range.as_ref().is_none_or(|other| *other == tag);
        let wanted = match &asked.range {
            Some(range) if unchanged => range::parse(range, size),
            _ => Wanted::All,
        };
        let (start, end) = match wanted {
            Wanted::All => (0, size),
            Wanted::Part(start, end) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let range = format!("bytes {start}-{}/{size}", end - 1);
                response
                    .headers_mut()
                    .insert(header::CONTENT_RANGE, value(&range));
                (start, end)
            }
            Wanted::Nothing => {
                let mut response = status(StatusCode::RANGE_NOT_SATISFIABLE);
                let range = format!("bytes */{size}");
                response
                    .headers_mut()
                    .insert(header::CONTENT_RANGE, value(&range));
                return Ok(response);
            }
        };
        *response.body_mut() = content.part(start, end)?;
        Ok(response)
    }

    /// Packs bytes, or finds that it was done. The tag names the bytes.
    fn pack(&self, tag: &str, bytes: &Bytes) -> io::Result<Bytes> {
        let lock = || self.packed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, packed)) = lock().iter().find(|(other, _)| other == tag) {
            return Ok(packed.clone());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes)?;
        let new = Bytes::from(encoder.finish()?);
        let mut kept = lock();
        kept.push_back((tag.to_owned(), new.clone()));
        while kept.len() > PACKED
            || kept.iter().map(|(_, packed)| packed.len()).sum::<usize>() > PACKED_SIZE
        {
            kept.pop_front();
        }
        Ok(new)
    }
}

/// What of a request's headers matters.
struct Asked {
    range: Option<String>,
    if_range: Option<String>,
    matches: Option<String>,
    none_match: Option<String>,
    gzip: bool,
}

impl Asked {
    fn new(headers: &HeaderMap) -> Self {
        let get = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.trim().to_owned())
        };
        // RFC 9110, 5.3: lines of a list are one list.
        let list = |name: HeaderName| {
            let lines = headers.get_all(name).iter();
            let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
            (!lines.is_empty()).then(|| lines.join(","))
        };
        Self {
            range: get(header::RANGE),
            if_range: get(header::IF_RANGE),
            matches: list(header::IF_MATCH),
            none_match: list(header::IF_NONE_MATCH),
            gzip: list(header::ACCEPT_ENCODING).is_some_and(|value| takes_gzip(&value)),
        }
    }
}

/// Whether `Accept-Encoding` has gzip (RFC 9110, 12.5.3).
fn takes_gzip(value: &str) -> bool {
    value.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        // A weight of zero is a refusal: 0, 0.0, 0.00, 0.000.
        let refused = parts.any(|weight| {
            let weight = weight.strip_prefix("q=").or(weight.strip_prefix("Q="));
            weight.is_some_and(|q| {
                q.starts_with('0') && !q.contains(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
            })
        });
        named && !refused
    })
}

/// Whether a list names a tag. For `If-None-Match` weak ones count (RFC 9110, 13.1.2), for
/// `If-Match` they do not (13.1.1).
fn names(tags: &str, tag: &str, weak: bool) -> bool {
    tags.split(',').map(str::trim).any(|other| {
        let strong = other.strip_prefix("W/").filter(|_| weak);
        other == "*" || strong.unwrap_or(other) == tag
    })
}

/// What is in a file.
enum Content {
    Small(Bytes),
    Large(cap_std::fs::File, u64),
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Self::Small(bytes) => bytes.len() as u64,
            Self::Large(_, size) => *size,
        }
    }

    /// A part of it, which lies in it.
    fn part(self, start: u64, end: u64) -> io::Result<Answer> {
        match self {
            Self::Small(bytes) => {
                let range = start as usize..end as usize;
                Ok(Answer::bytes(bytes.slice(range)))
            }
            Self::Large(file, _) => {
                let mut file = file.into_std();
                file.seek(SeekFrom::Start(start))?;
                let file = tokio::fs::File::from_std(file);
                Ok(Answer::File {
                    file,
                    left: end - start,
                })
            }
        }
    }
}

/// An answer that says its status only.
fn status(code: StatusCode) -> Response<Answer> {
    let text = match code.is_client_error() || code.is_server_error() {
        true => format!("{code}\n"),
        false => String::new(),
    };
    let mut response = Response::new(Answer::bytes(text));
    *response.status_mut() = code;
    if code.is_client_error() || code.is_server_error() {
        set(
            response.headers_mut(),
            header::CONTENT_TYPE,
            "text/plain; charset=utf-8",
        );
        set(response.headers_mut(), header::CACHE_CONTROL, "no-cache");
    }
    response
}

/// A folder's path wants a `/`, for links in its page to lead to where they should. The place is
/// named relative to the path, so that no path can name another host.
fn moved(path: &str) -> Response<Answer> {
    let mut response = status(StatusCode::PERMANENT_REDIRECT);
    let name = path.rsplit('/').next().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, value(&format!("./{name}/")));
    set(headers, header::CACHE_CONTROL, "no-cache");
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// A value of ours, which has no characters that none can have.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::directory;

    /// The policy of what a site with this one answers.
    fn answered(policy: Option<&str>) -> Option<String> {
        let dir = directory("serve-answer");
        std::fs::write(dir.path().join("index.html"), "<!doctype html>").unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let policy = policy.map(|policy| HeaderValue::from_str(policy).unwrap());
        let site = Arc::new(Site::new(folder, policy));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let answer = runtime.block_on(site.answer(Request::new(())));
        assert_eq!(answer.status(), StatusCode::OK);
        let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY)?;
        Some(policy.to_str().unwrap().to_owned())
    }

    #[test]
    fn policy_is_the_one_that_is_promised() {
        let readme = include_str!("../../../README.md");
        let start = readme.find("default-src").expect("the policy in README.md");
        let promised = readme[start..].split("\n```").next().unwrap();
        let promised = promised.replace('\n', " ").replace("ORIGIN", "'self'");
        let own = policy(&[]);
        assert_eq!(own, promised.replace(" IMAGES", ""));
        let images = "https://images.example:8443";
        assert_eq!(
            policy(&[images.to_owned()]),
            promised.replace("IMAGES", images)
        );
        assert_eq!(answered(Some(&own)), Some(own));
        assert_eq!(answered(None), None);
    }
}
