use super::*;
use alloc::vec::Vec;

/// The canonical order of extension names: single letters, then Z by the category that the
/// second letter names and by alphabet, then S by alphabet.
fn key(name: &str) -> (usize, usize, &str) {
    const LETTERS: &str = "iemafdqlcbkjtpvnh";
    let position = |c: Option<char>| c.and_then(|c| LETTERS.find(c)).unwrap();
    let mut chars = name.chars();
    match (name.len(), chars.next()) {
        (1, first) => (0, position(first), name),
        (_, Some('z')) => (1, position(chars.next()), name),
        (_, Some('s')) => (2, 0, name),
        _ => unreachable!("{name}"),
    }
}

#[test]
fn extensions_are_in_canonical_order() {
    for ad_update in [AdUpdate::Svadu, AdUpdate::Svade] {
        let names: Vec<_> = IsaConfig { ad_update }.extensions().collect();
        assert!(names.is_sorted_by_key(|name| key(name)), "{names:?}");
    }
}

#[test]
fn svade_is_announced_with_svadu_and_svadu_alone() {
    let names = |ad_update| IsaConfig { ad_update }.extensions().collect::<Vec<_>>();
    let svadu = names(AdUpdate::Svadu);
    let mut svade = names(AdUpdate::Svade);
    assert!(svadu.contains(&"svadu") && !svadu.contains(&"svade"));
    assert!(svade.contains(&"svadu"));
    svade.retain(|name| *name != "svade");
    assert_eq!(svade, svadu);
}
