use super::*;
use crate::image::recipe;
use crate::image::testing::Signer;

const TEXT: &str = "Origin: Test\nSuite: x \n- dashed\n\nlast\n";

#[test]
fn a_good_signature_gives_the_text_and_nothing_else() {
    let signer = Signer::new(1);
    let ring = Keyring::parse(&signer.public_key()).unwrap();
    let file = signer.clear_sign(TEXT);
    assert_eq!(ring.verified_text(&file).unwrap(), TEXT);
    // Other ends of lines and what follows the signature do not count.
    assert!(ring.verified_text(&file.replace('\n', "\r\n")).is_ok());
    let more = format!("{file}Suite: forged\n");
    assert!(!ring.verified_text(&more).unwrap().contains("forged"));
    let before = format!("Suite: forged\n{file}");
    assert!(ring.verified_text(&before).is_err());
}

#[test]
fn a_changed_text_is_refused_wherever_it_is_changed() {
    let signer = Signer::new(1);
    let ring = Keyring::parse(&signer.public_key()).unwrap();
    let file = signer.clear_sign(TEXT);
    let from = file.find("Origin").unwrap();
    let to = file.find(BEGIN_SIGNATURE).unwrap() - 1;
    for at in from..to {
        let mut bytes = file.clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(ring.verified_text(&changed).is_err(), "byte {at}");
    }
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let ring = Keyring::parse(&Signer::new(1).public_key()).unwrap();
    let file = Signer::new(2).clear_sign(TEXT);
    let error = ring.verified_text(&file).unwrap_err().to_string();
    assert!(error.contains("known key"), "{error}");
}

#[test]
fn a_damaged_signature_is_refused_and_never_panics() {
    let signer = Signer::new(1);
    let ring = Keyring::parse(&signer.public_key()).unwrap();
    let good = signer.signature(TEXT);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let file = signer.armor(TEXT, &bad);
        // Packet head, signature head and the empty unhashed part, then two bytes of the
        // hash, which are a hint and not checked.
        let hint = (2 + 12 + 2..2 + 12 + 4).contains(&at);
        assert_eq!(ring.verified_text(&file).is_ok(), hint, "byte {at}");
    }
    for length in 0..good.len() {
        let file = signer.armor(TEXT, &good[..length]);
        assert!(ring.verified_text(&file).is_err(), "{length} bytes");
    }
}

#[test]
fn the_embedded_keys_are_those_of_debian() {
    let ring = Keyring::parse(recipe::KEYS.1.as_bytes()).unwrap();
    let rsa = ring
        .keys
        .iter()
        .filter(|k| matches!(k, Key::Rsa { n, .. } if n.len() == 512));
    let ed = ring.keys.iter().filter(|k| matches!(k, Key::Ed25519(_)));
    assert_eq!((rsa.count(), ed.count()), (2, 1));
}

#[test]
fn files_without_signature_are_refused() {
    let ring = Keyring::parse(&Signer::new(1).public_key()).unwrap();
    for file in [
        "",
        TEXT,
        BEGIN_MESSAGE,
        "-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n",
    ] {
        assert!(ring.verified_text(file).is_err(), "{file:?}");
    }
    assert!(Keyring::parse(b"").is_err());
    assert!(Keyring::parse(&[0xff; 40]).is_err());
}
