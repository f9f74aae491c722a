#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use proptest::sample::Index;
use zeroize::Zeroizing;

use super::{
    Checkpoint, LogName, NOTE_BYTES, NotVerified, NoteError, NoteSigner, Seal, SealedLine,
    StreamEnd, VerifierKey, opened,
};
use crate::event::ChainHash;
use crate::ids::{LogEpoch, OrgId, StreamVersion, TreeSize};
use crate::merkle::NodeHash;
use crate::time::Timestamp;

/// A note and its key as another implementation made them.
const FOREIGN_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const FOREIGN_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name.parse().unwrap(), &Zeroizing::new([seed; 32]))
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: LogName::default(),
        size: TreeSize::new(20_852_163),
        root: NodeHash::of_nothing(),
        epoch: LogEpoch::from_uuid(uuid::Uuid::from_u128(7)),
        at: Timestamp::parse("2026-12-02T10:00:00Z").unwrap(),
    }
}

fn seal() -> Seal {
    let checkpoint = checkpoint();
    Seal {
        origin: checkpoint.origin,
        org: OrgId::from_uuid(uuid::Uuid::from_u128(9)),
        size: checkpoint.size,
        root: checkpoint.root,
        epoch: checkpoint.epoch,
        decisions: StreamEnd {
            version: StreamVersion::new(912),
            hash: ChainHash::from_bytes([0xab; 32]),
        },
        observations: StreamEnd::EMPTY,
        at: checkpoint.at,
    }
}

#[test]
fn notes_of_others_are_read() {
    let keys = [FOREIGN_KEY.parse::<VerifierKey>().unwrap()];
    assert_eq!(keys[0].to_string(), FOREIGN_KEY);
    let (text, key) = opened(FOREIGN_NOTE, &keys).unwrap();
    assert_eq!(text, "This is an example message.\n");
    assert_eq!(key.name().as_str(), "example.com/foo");
}

#[test]
fn a_checkpoint_is_written_for_ever_like_this() {
    let note = checkpoint().sign(&signer("trackagoat", 1));
    assert!(
        note.starts_with(
            "trackagoat\n20852163\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\
             epoch 00000000-0000-0000-0000-000000000007\ntime 2026-12-02T10:00:00.000000Z\n\n\
             \u{2014} trackagoat "
        ),
        "{note}"
    );
    let zeros = "0".repeat(64);
    let (tree, ab) = (checkpoint().size, "ab".repeat(32));
    assert_eq!(
        seal().text(),
        format!(
            "trackagoat seal\norg 00000000-0000-0000-0000-000000000009\n\
             tree {tree} 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\
             epoch 00000000-0000-0000-0000-000000000007\ndecisions 912 {ab}\n\
             observations 0 {zeros}\ntime 2026-12-02T10:00:00.000000Z\n"
        )
    );
}

#[test]
fn what_was_signed_is_read_with_the_key_and_with_no_other() {
    let signer_a = signer("trackagoat", 1);
    let key = signer_a.verifier();
    let text = key.to_string();
    assert_eq!(text.parse::<VerifierKey>().unwrap(), key);
    let other = signer("trackagoat", 2).verifier();
    let renamed = signer("elsewhere", 1).verifier();
    let note = checkpoint().sign(&signer_a);
    assert_eq!(
        Checkpoint::open(&note, &[other.clone(), key.clone()]),
        Ok(checkpoint())
    );
    for keys in [vec![], vec![other], vec![renamed]] {
        let refused = Checkpoint::open(&note, &keys);
        assert_eq!(refused, Err(NotVerified::UnknownKey.into()));
    }
    let note = seal().sign(&signer_a);
    assert_eq!(Seal::open(&note, &[key]), Ok(seal()));
}

#[test]
fn one_kind_is_never_taken_for_the_other_nor_one_log_for_another() {
    let signer_a = signer("trackagoat", 1);
    let keys = [signer_a.verifier(), signer("elsewhere", 3).verifier()];
    let is_malformed = |error: &NoteError| matches!(error, NoteError::Text(_));
    let refused = Checkpoint::open(&seal().sign(&signer_a), &keys).unwrap_err();
    assert!(is_malformed(&refused), "{refused}");
    let refused = Seal::open(&checkpoint().sign(&signer_a), &keys).unwrap_err();
    assert!(is_malformed(&refused), "{refused}");
    // Signed by somebody known, who does not speak for this log.
    let refused = Checkpoint::open(&checkpoint().sign(&signer("elsewhere", 3)), &keys);
    assert!(is_malformed(&refused.unwrap_err()));
}

#[test]
fn a_wrong_signature_under_a_known_key_counts_whatever_else_is_signed() {
    let (first, second) = (signer("trackagoat", 1), signer("elsewhere", 3));
    let good = second.sign(&checkpoint().text());
    let wrong = first.sign(&seal().text());
    let line = wrong.rsplit_once("\n\n").unwrap().1;
    let both = format!("{good}{line}");
    let keys = [second.verifier(), first.verifier()];
    let refused = opened(&both, &keys).unwrap_err();
    assert_eq!(refused, NotVerified::Wrong(LogName::default()));
    assert!(opened(&both, &keys[..1]).is_ok());
}

#[test]
fn what_is_no_note_is_refused() {
    let key = [signer("trackagoat", 1).verifier()];
    let note = checkpoint().sign(&signer("trackagoat", 1));
    let long = format!("{}\n{note}", "a".repeat(NOTE_BYTES));
    for bad in [
        "",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\n\n",
        "text\n\n\u{2014} trackagoat\n",
        "text\n\n\u{2014} trackagoat AAAA\n",
        "text\n\n- trackagoat AAAAAAAA\n",
        note.trim_end(),
        &long,
    ] {
        assert_eq!(opened(bad, &key), Err(NotVerified::Form), "{bad}");
    }
}

#[test]
fn what_is_no_key_and_no_name_is_refused() {
    let (start, key) = FOREIGN_KEY.rsplit_once('+').unwrap();
    let short = format!("{start}+AekyeRrm");
    let of_another_name = FOREIGN_KEY.replace("foo", "bar");
    let of_another_kind = format!("{start}+{}", key.replace("Aeky", "Auky"));
    for bad in ["", "a+b", &short, &of_another_name, &of_another_kind] {
        assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
    }
    for bad in ["", "a b", "a+b", "ä", &"a".repeat(65)] {
        assert!(bad.parse::<LogName>().is_err(), "{bad}");
    }
    assert!(format!("{:?}", signer("trackagoat", 1)).contains('…'));
}

#[test]
fn lines_have_one_form_only() {
    let good = checkpoint().text();
    assert!(Checkpoint::parse(&good).is_ok());
    // Tools of others may add lines behind ours.
    assert!(Checkpoint::parse(&format!("{good}more\n")).is_ok());
    for (from, to) in [
        ("20852163", "020852163"),
        ("20852163", "+20852163"),
        ("20852163", ""),
        ("epoch ", "epoch"),
        ("epoch ", "life "),
        ("47DE", "47D"),
        ("time 2026", "time 20260"),
    ] {
        assert!(Checkpoint::parse(&good.replace(from, to)).is_err(), "{to}");
    }
    let good = seal().text();
    assert!(Seal::parse(&good).is_ok());
    for bad in [
        format!("{good}more\n"),
        good.replace("912 ", "912"),
        good.replace(" seal", ""),
        good.replace("decisions 912", "decisions -1"),
    ] {
        assert!(Seal::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn the_line_of_a_seal_is_read_as_it_was_written() {
    let signer = signer("trackagoat", 1);
    let line = SealedLine {
        id: crate::ids::EventId::from_uuid(uuid::Uuid::from_u128(3)),
        org: seal().org,
        at: seal().at,
        seal: seal().sign(&signer),
        checkpoint: checkpoint().sign(&signer),
    };
    let json = line.to_json();
    assert!(SealedLine::is_meant(json.as_bytes()));
    assert_eq!(SealedLine::parse(json.as_bytes()).unwrap(), line);
    for (from, to) in [
        ("export.sealed", "export.closed"),
        ("/orgs/", "/"),
        ("seal\"", "x\""),
    ] {
        let other = json.replacen(from, to, 1);
        assert!(SealedLine::parse(other.as_bytes()).is_err(), "{other}");
    }
}

proptest! {
    #[test]
    fn no_byte_of_a_note_can_be_another(place in any::<Index>(), by in 1_u8..128) {
        let signer = signer("trackagoat", 1);
        let note = seal().sign(&signer);
        let mut bytes = note.clone().into_bytes();
        let at = place.index(bytes.len());
        bytes[at] ^= by;
        // A name or id of nobody, or bytes that are no text, are refused as well.
        let opened = String::from_utf8(bytes).ok().and_then(|note| {
            Seal::open(&note, &[signer.verifier()]).ok()
        });
        prop_assert_eq!(opened, None);
    }
}
