//! Pins: what becomes of a file that is missing, damaged, truncated (also while it is open), of another layout, not a file,
//! or in use; that limits survive a restart; and that no client's text is in it.

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use polygate_limits::{
    Concurrency, Flaw, Limits, OpenError, Opened, Options, Period, ReplayWindow, Rule, WhenFull, Window,
};
use support::{NOW, Numbers, Place, SECOND_NS, SMALL, rate, rule};

/// Limit of one an hour: exhausted by its first request.
fn once() -> Rule {
    rule("once", &[rate(1, 3600 * SECOND_NS, 1)])
}

fn open(path: &Path) -> Result<(Limits, Opened), OpenError> {
    Limits::open(path, &SMALL)
}

/// Something that another program does to the file.
type Harm = Box<dyn Fn(&Path)>;

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

#[test]
fn what_is_no_file_is_refused() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    assert!(matches!(open(place.path()), Err(OpenError::Io(_))));
    fs::remove_dir(place.path()).unwrap();
    let target = Place::new();
    File::create(target.path()).unwrap();
    symlink(target.path(), place.path()).unwrap();
    assert!(matches!(open(place.path()), Err(OpenError::Io(_))), "a symbolic link may lead anywhere");
    assert_eq!(fs::metadata(target.path()).unwrap().len(), 0);
    assert!(matches!(open(Path::new("/dev/null")), Err(OpenError::NotAFile)));
    assert!(matches!(open(&place.path().join("below")), Err(OpenError::Io(_))));
}

#[test]
fn sizes_that_cannot_be_are_refused_before_anything_is_made() {
    let place = Place::new();
    for (keys, replays) in [(usize::MAX, 1), (1, usize::MAX), (1 << 40, 1), (1, 1 << 40)] {
        let options = Options { keys, replays, gateway: None };
        assert!(matches!(Limits::open(place.path(), &options), Err(OpenError::TooLarge)), "{options:?}");
    }
    assert!(!place.path().exists());
    let (mut limits, _) = Limits::open(place.path(), &Options { keys: 0, replays: 0, gateway: None }).unwrap();
    assert!(limits.decide(&once(), b"k", 1, NOW).admits());
}

#[test]
fn a_new_file_has_its_blocks_and_is_its_owners() {
    let place = Place::new();
    assert_eq!(open(place.path()).unwrap().1, Opened::Created);
    let metadata = fs::metadata(place.path()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert!(metadata.blocks() * 512 >= metadata.len(), "reserved, so that a full disk is no crash later");
    let empty = Place::new();
    File::create(empty.path()).unwrap();
    assert_eq!(open(empty.path()).unwrap().1, Opened::Created);
}

#[test]
fn limits_survive_a_restart() {
    let place = Place::new();
    let quota = rule("q", &[Window::Quota { limit: 5, period: Period::Day }]);
    let nonces = ReplayWindow::new("n", 600 * SECOND_NS, WhenFull::Refuse).unwrap();
    let mut limits = place.open();
    assert!(limits.decide(&once(), b"k", 1, NOW).admits());
    assert!(limits.decide(&quota, b"k", 3, NOW).admits());
    limits.record(&nonces, b"value", NOW);
    drop(limits);
    let (mut limits, opened) = open(place.path()).unwrap();
    assert_eq!(opened, Opened::Kept);
    assert!(!limits.decide(&once(), b"k", 1, NOW + SECOND_NS).admits());
    assert_eq!(limits.decide(&quota, b"k", 0, NOW + SECOND_NS).remaining, 2);
    assert!(limits.seen(&nonces, b"value", NOW + SECOND_NS));
}

#[test]
fn every_damaged_byte_of_the_header_is_noticed_and_the_file_rebuilt() {
    let place = Place::new();
    drop(place.open());
    let whole = fs::read(place.path()).unwrap();
    for offset in 0..72_usize {
        fs::write(place.path(), &whole).unwrap();
        overwrite(place.path(), offset as u64, &[whole[offset] ^ 0x10]);
        let expected = match offset {
            0..8 => Flaw::Magic,
            8..16 => Flaw::Version,
            _ => Flaw::Checksum,
        };
        let (mut limits, opened) = open(place.path()).unwrap();
        assert_eq!(opened, Opened::Rebuilt(expected), "byte {offset}");
        assert!(limits.decide(&once(), b"k", 1, NOW).admits());
        drop(limits);
        assert_eq!(open(place.path()).unwrap().1, Opened::Kept);
    }
}

#[test]
fn a_file_of_another_length_or_layout_is_rebuilt() {
    let place = Place::new();
    drop(place.open());
    let length = fs::metadata(place.path()).unwrap().len();
    for wrong in [1, 127, 128, 4096, length - 1, length + 1] {
        OpenOptions::new().write(true).open(place.path()).unwrap().set_len(wrong).unwrap();
        assert_eq!(open(place.path()).unwrap().1, Opened::Rebuilt(Flaw::Length), "{wrong}");
        assert_eq!(fs::metadata(place.path()).unwrap().len(), length);
    }
    let larger = Options { keys: 2000, ..SMALL };
    assert_eq!(Limits::open(place.path(), &larger).unwrap().1, Opened::Rebuilt(Flaw::Layout));
    fs::write(place.path(), "something else that was here, longer than a header".repeat(10)).unwrap();
    assert_eq!(open(place.path()).unwrap().1, Opened::Rebuilt(Flaw::Magic));
}

#[test]
fn a_file_in_use_is_not_rebuilt() {
    let place = Place::new();
    let mut limits = place.open();
    assert!(limits.decide(&once(), b"k", 1, NOW).admits());
    let larger = Options { keys: 2000, ..SMALL };
    assert!(matches!(Limits::open(place.path(), &larger), Err(OpenError::InUse(Flaw::Layout))));
    let magic = fs::read(place.path()).unwrap()[0];
    overwrite(place.path(), 0, &[magic ^ 1]);
    assert!(matches!(open(place.path()), Err(OpenError::InUse(Flaw::Magic))));
    assert!(!limits.decide(&once(), b"k", 1, NOW).admits(), "who has it open goes on");
    overwrite(place.path(), 0, &[magic]);
    drop(limits);
    assert_eq!(open(place.path()).unwrap().1, Opened::Kept);
}

#[test]
fn another_gateway_is_refused_and_those_without_identity_share() {
    let place = Place::new();
    let of = |gateway| Limits::open(place.path(), &Options { gateway, ..SMALL });
    let first = of(Some(1)).unwrap().0;
    let second = of(Some(1)).unwrap().0;
    assert!(matches!(of(Some(2)), Err(OpenError::OtherGateway)));
    assert!(matches!(of(None), Err(OpenError::OtherGateway)));
    drop(first);
    assert!(matches!(of(Some(2)), Err(OpenError::OtherGateway)));
    drop(second);
    // The next run of a gateway has another identity, and the limits of the last.
    let mut next = of(Some(2)).unwrap().0;
    assert!(next.decide(&once(), b"k", 1, NOW).admits());
    drop(next);
    let (mut one, mut other) = (of(None).unwrap().0, of(None).unwrap().0);
    assert!(!one.decide(&once(), b"k", 1, NOW).admits());
    assert!(one.decide(&once(), b"other", 1, NOW).admits());
    assert!(!other.decide(&once(), b"other", 1, NOW).admits());
}

#[test]
fn as_many_as_there_are_descriptors_and_not_one_more() {
    let place = Place::new();
    let mut all: Vec<Limits> = (0..256).map(|_| place.open()).collect();
    assert!(matches!(open(place.path()), Err(OpenError::TooManyHandles)));
    all.pop();
    assert!(open(place.path()).is_ok());
}

#[test]
fn no_text_of_clients_is_in_the_file_and_no_secret_in_debug_output() {
    let place = Place::new();
    let mut limits = place.open();
    let text = b"alice@example.com:the-secret-nonce";
    limits.decide(&rule("rule-name", &[rate(5, SECOND_NS, 5)]), text, 1, NOW);
    limits.record(&ReplayWindow::new("n", SECOND_NS, WhenFull::Refuse).unwrap(), text, NOW);
    limits.acquire(&Concurrency::new("c", 1, SECOND_NS, WhenFull::Refuse).unwrap(), text, NOW);
    let bytes = fs::read(place.path()).unwrap();
    for part in text.windows(6) {
        assert!(!bytes.windows(6).any(|found| found == part));
    }
    let secret = u64::from_le_bytes(bytes[40..48].try_into().unwrap());
    assert!(secret != 0 && !format!("{limits:?}").contains(&secret.to_string()));
    let another = Place::new();
    drop(another.open());
    assert_ne!(fs::read(another.path()).unwrap()[40..56], bytes[40..56], "each file has its own secret");
}

#[test]
fn what_a_killed_process_left_half_done_is_finished_by_who_gets_its_descriptor() {
    let place = Place::new();
    drop(place.open());
    let (descriptor, bucket) = (16_u64, 16 + 256 * 32_u64);
    let write = |word: u64, value: u64| overwrite(place.path(), word * 8, &value.to_ne_bytes());
    // Descriptor 0: two words of the first bucket, of which one is changed already.
    let words = [1, bucket, 2, bucket + 100, 0, 1234, bucket + 101, 0, 5678];
    for (index, value) in words.into_iter().enumerate() {
        write(descriptor + index as u64, value);
    }
    write(bucket, 1);
    write(bucket + 100, 1234);
    drop(place.open());
    let bytes = fs::read(place.path()).unwrap();
    let read = |word: u64| u64::from_ne_bytes(bytes[word as usize * 8..][..8].try_into().unwrap());
    assert_eq!([read(bucket), read(bucket + 100), read(bucket + 101)], [1 << 16, 1234, 5678]);
}

#[test]
fn any_garbage_behind_the_header_is_survived_and_worn_off() {
    let mut numbers = Numbers(3);
    let hourly = rule("h", &[rate(10, SECOND_NS, 10), Window::Quota { limit: 10, period: Period::Hour }]);
    let nonces = ReplayWindow::new("n", 60 * SECOND_NS, WhenFull::ForgetLeastUsed).unwrap();
    let places = Concurrency::new("c", 5, SECOND_NS, WhenFull::ForgetLeastUsed).unwrap();
    for round in 0..20 {
        let place = Place::new();
        drop(place.open());
        let length = fs::metadata(place.path()).unwrap().len();
        // Random words, all ones, or every control word pending.
        let garbage: Vec<u8> = (0..(length - 128) / 8)
            .flat_map(|_| {
                match round % 4 {
                    0 => numbers.next(),
                    1 => u64::MAX,
                    2 => numbers.below(300),
                    _ => numbers.next() << 16 | numbers.below(2),
                }
                .to_le_bytes()
            })
            .collect();
        overwrite(place.path(), 128, &garbage);
        let (mut limits, opened) = open(place.path()).unwrap();
        assert_eq!(opened, Opened::Kept, "the header is whole");
        for key in 0..500_u32 {
            let key = key.to_le_bytes();
            limits.decide(&hourly, &key, 1, NOW);
            limits.lease(&hourly, &key, 3, NOW);
            limits.seen(&nonces, &key, NOW);
            limits.record(&nonces, &key, NOW);
            if let polygate_limits::Acquired::Granted { permit, in_use } = limits.acquire(&places, &key, NOW) {
                assert!(in_use <= 5);
                limits.renew(permit, NOW + 2 * SECOND_NS);
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_short_overwritten_or_taken_away_while_it_is_open_ends_no_process() {
    let cut =
        |length| move |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
    // What is done to it, and whether every decision notices at once.
    let harms: [(Harm, bool); 6] = [
        (Box::new(cut(0)), true),
        (Box::new(cut(5000)), true),
        (Box::new(|path| overwrite(path, 0, &[0; 128])), true),
        (Box::new(|path| fs::write(path, "something else").unwrap()), true),
        (Box::new(|path| overwrite(path, 40, &[7; 8])), false),
        (Box::new(|path| fs::remove_file(path).unwrap()), false),
    ];
    for (nth, (harm, at_once)) in harms.iter().enumerate() {
        let place = Place::new();
        let mut limits = place.open();
        let rule = once();
        assert!(limits.decide(&rule, b"k", 1, NOW).admits());
        assert!(limits.intact() && limits.current());
        harm(place.path());
        // In many buckets: behind the new end as well as before it.
        for key in 0..1000_u32 {
            limits.decide(&rule, &key.to_le_bytes(), 1, NOW);
        }
        assert_eq!(limits.intact(), !at_once, "{nth}");
        assert!(!limits.current(), "{nth}");
        drop(limits);
        let (mut limits, opened) = open(place.path()).unwrap();
        assert_ne!(opened, Opened::Kept, "{nth}");
        assert!(limits.decide(&rule, b"k", 1, NOW).admits() && !limits.decide(&rule, b"k", 1, NOW).admits());
        assert!(limits.intact() && limits.current());
    }
}

#[test]
fn one_that_was_cut_short_is_rebuilt_when_the_last_has_let_go() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    fs::OpenOptions::new().write(true).open(place.path()).unwrap().set_len(100).unwrap();
    drop(one);
    assert!(matches!(open(place.path()), Err(OpenError::InUse(Flaw::Length))));
    drop(other);
    assert_eq!(open(place.path()).unwrap().1, Opened::Rebuilt(Flaw::Length));
}
