//! From the path of a URL to a path below the folder that is served.

use percent_encoding::percent_decode_str;

/// Bytes that a path may have.
const MAX_PATH: usize = 1024;

/// The path of a file below the folder, with `/`, or `None` for one that no file there can have.
/// A path that ends in `/` is that of the folder's `index.html`.
///
/// What is decoded is not looked at again as a path: `%2f` does not separate, and neither `..`
/// nor what hides a file (a leading dot) nor an empty part is let through.
pub fn resolve(path: &str) -> Option<String> {
    if path.len() > MAX_PATH {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.strip_prefix('/')?.split('/') {
        let part = percent_decode_str(part).decode_utf8().ok()?;
        let odd = |c: char| c.is_control() || "/\\:".contains(c);
        if part.starts_with('.') || part.contains(odd) {
            return None;
        }
        parts.push(part.into_owned());
    }
    if let Some(last) = parts.last_mut().filter(|last| last.is_empty()) {
        *last = "index.html".to_owned();
    }
    parts
        .iter()
        .all(|part| !part.is_empty())
        .then(|| parts.join("/"))
}

/// Whether a file is named by the hash of what is in it, so that it never changes:
/// `files/HASH[.gz]` and `chunks/HH/HASH[.gz]`, in whatever folder.
pub fn is_by_hash(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let (Some(name), Some(folder)) = (parts.next(), parts.next()) else {
        return false;
    };
    let hash = name.strip_suffix(".gz").unwrap_or(name);
    let is_hash = hash.len() == 64 && hash.bytes().all(|b| b"0123456789abcdef".contains(&b));
    let in_chunks = hash.get(..2) == Some(folder) && parts.next() == Some("chunks");
    is_hash && (folder == "files" || in_chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_folder() {
        for (path, expected) in [
            ("/", Some("index.html")),
            ("/a/", Some("a/index.html")),
            ("/a/b.js", Some("a/b.js")),
            ("/a%20b/%C3%BC.txt", Some("a b/ü.txt")),
            ("/a%2eb", Some("a.b")),
            ("/..", None),
            ("/a/../b", None),
            ("/%2e%2e/b", None),
            ("/.%2e/b", None),
            ("/a%2f..%2fb", None),
            ("/a%5cb", None),
            ("/a\\..\\b", None),
            ("/.git/config", None),
            ("/./a", None),
            ("//a", None),
            ("/a//b", None),
            ("/a%00.txt", None),
            ("/a%0a", None),
            ("/c:/x", None),
            ("/%ff", None),
            ("a", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(resolve(path).as_deref(), expected, "{path}");
        }
        assert!(resolve(&format!("/{}", "a".repeat(1023))).is_some());
        assert!(resolve(&format!("/{}", "a".repeat(1024))).is_none());
    }

    #[test]
    fn names_that_are_hashes_are_told_from_others() {
        let hash = "ab".repeat(32);
        for path in [
            format!("files/{hash}"),
            format!("x/files/{hash}.gz"),
            format!("chunks/ab/{hash}.gz"),
        ] {
            assert!(is_by_hash(&path), "{path}");
        }
        for path in [
            format!("{hash}.gz"),
            format!("other/{hash}"),
            format!("chunks/cd/{hash}.gz"),
            format!("files/{}", hash.to_uppercase()),
            format!("files/{hash}.br"),
            format!("files/{}", &hash[1..]),
            "files/index.html".to_owned(),
            "chunks/é/é".to_owned(),
        ] {
            assert!(!is_by_hash(&path), "{path}");
        }
    }
}
