//! Pins: what is a response and what is not (RFC 9112), and that it does not depend on where the bytes are cut.

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::expect_used)]

use super::*;

const PREFIX: &[u8] = b"\r\nvia: 1.1 polygate";

/// Everything that came of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
// Reason: each is compared by itself.
#[allow(clippy::struct_excessive_bools)]
struct Outcome {
    status: u16,
    lines: String,
    length: Option<u64>,
    bodiless: bool,
    upgraded: bool,
    body: Vec<u8>,
    end: bool,
    keep_alive: bool,
    leftover: bool,
    bad: Option<Reason>,
}

#[derive(Clone, Copy, Default)]
struct Asked {
    head: bool,
    upgrade: bool,
}

/// Feeds `parts` one after another, as reads would bring them, then the end of the stream if `close`.
fn feed<'a>(parts: impl IntoIterator<Item = &'a [u8]>, asked: Asked, close: bool) -> Outcome {
    let expected = Expected { head_request: asked.head, upgrade: asked.upgrade, prefix: PREFIX };
    let mut response = Response::new();
    let mut outcome = Outcome::default();
    let mut lines = Vec::new();
    let mut region = vec![0xaa; 512 * 1024];
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if outcome.end {
            outcome.leftover = true;
            return outcome;
        }
        let at = response.prepare(&mut region, PREFIX);
        region[at..at + part.len()].copy_from_slice(part);
        match response.consume(&mut region, at + part.len(), expected, &mut lines) {
            Err(reason) => {
                outcome.bad = Some(reason);
                return outcome;
            }
            Ok(piece) => {
                if let Some(head) = piece.head {
                    outcome.status = head.status;
                    outcome.lines = region[..head.lines].iter().map(|byte| *byte as char).collect();
                    outcome.length = head.content_length;
                    outcome.bodiless = head.bodiless;
                    outcome.upgraded = head.upgraded;
                    assert_eq!(head.ascii, region[..head.lines].is_ascii());
                    assert!(piece.body.1 == 0 || head.lines <= piece.body.0, "lines overlap the body");
                    outcome.keep_alive = response.keep_alive();
                }
                outcome.body.extend_from_slice(&region[piece.body.0..piece.body.0 + piece.body.1]);
                outcome.end = piece.end;
                outcome.leftover = piece.leftover;
            }
        }
    }
    if close && !outcome.end && response.head_done() {
        outcome.end = response.end_of_stream();
    }
    outcome
}

fn whole(bytes: &[u8]) -> Outcome {
    feed([bytes], Asked::default(), false)
}

#[test]
fn passes_on_what_is_not_hop_by_hop() {
    let outcome = whole(
        b"HTTP/1.1 200 OK\r\nServer: x\r\nDate: now\r\nConnection: keep-alive, X-Secret\r\nx-secret: 1\r\n\
        Keep-Alive: timeout=5\r\nProxy-Connection: a\r\nTE: b\r\nTrailer: c\r\nUpgrade: h2c\r\n\
        Proxy-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Tight:v \t\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok",
    );
    assert_eq!(
        outcome.lines,
        "\r\nvia: 1.1 polygate\r\nServer: x\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\
        \r\nX-Tight: v\r\nX-Empty: "
    );
    assert_eq!((outcome.status, outcome.length, outcome.body.as_slice()), (200, Some(2), b"ok".as_slice()));
    assert!(outcome.end && outcome.keep_alive && !outcome.leftover);
}

#[test]
fn many_fields_without_a_space_do_not_run_into_the_body() {
    let mut bytes = b"HTTP/1.1 200\r\nContent-Length:3\r\n".to_vec();
    for _ in 0..MAX_HEADERS - 1 {
        bytes.extend_from_slice(b"a:b\r\n");
    }
    bytes.extend_from_slice(b"\r\nabc");
    let outcome = whole(&bytes);
    assert_eq!((outcome.bad, outcome.body.as_slice()), (None, b"abc".as_slice()));
    assert_eq!(outcome.lines.matches("\r\na: b").count(), MAX_HEADERS - 1);
}

#[test]
fn frames_as_the_request_and_the_status_say() {
    let head = Asked { head: true, upgrade: false };
    let no = Asked::default();
    let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".as_slice();
    assert_eq!(feed([sized], head, false), Outcome { bodiless: true, end: true, ..feed([sized], no, false) });
    assert_eq!(feed([sized], head, false).length, Some(9));
    for (bytes, length) in [
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n".as_slice(), Some(9)),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", None),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    ] {
        let outcome = feed([bytes], no, false);
        assert!(outcome.end && outcome.bodiless && outcome.bad.is_none());
        assert_eq!(outcome.length, length);
    }
    let until_close = b"HTTP/1.1 200 OK\r\n\r\nall of it".as_slice();
    let open = feed([until_close], no, false);
    assert!(!open.end && !open.keep_alive);
    assert!(feed([until_close], no, true).end);
    assert!(!feed([sized], no, true).end, "a length cut short is no end");
    assert!(!feed([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab".as_slice()], no, true).end);
    let zero = feed([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".as_slice()], no, false);
    assert!(zero.end && !zero.bodiless);
    let large = whole(b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nx");
    assert_eq!((large.length, large.end), (Some(i64::MAX as u64), false));
}

#[test]
fn keeps_connections_alive_as_the_version_says() {
    let keeps = |bytes: &[u8]| {
        let outcome = whole(bytes);
        assert_eq!(outcome.bad, None);
        outcome.keep_alive
    };
    assert!(keeps(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(!keeps(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n"));
    assert!(!keeps(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive, close\r\n\r\n"));
    assert!(!keeps(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(keeps(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
    assert!(!keeps(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"), "no length: ends with the connection");
}

#[test]
fn skips_interim_responses_up_to_a_bound() {
    let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
    bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    let expected = whole(&bytes);
    assert_eq!((expected.status, expected.body.as_slice(), expected.end), (200, b"a".as_slice(), true));
    assert_eq!(expected.lines, "\r\nvia: 1.1 polygate");
    for cut in 0..bytes.len() {
        assert_eq!(feed([&bytes[..cut], &bytes[cut..]], Asked::default(), false), expected, "cut at {cut}");
    }
    let many = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(MAX_INTERIM as usize + 1);
    assert_eq!(whole(&many).bad, Some(Reason::BadResponse));
    assert_eq!(whole(&many[..many.len() - 27]).bad, None);
}

#[test]
fn an_upgrade_passes_only_when_asked_for() {
    let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: abc=\r\nDate: now\r\n\r\n\x81\x00";
    assert_eq!(whole(bytes).bad, Some(Reason::BadResponse));
    let outcome = feed([bytes.as_slice()], Asked { head: false, upgrade: true }, false);
    assert_eq!(
        outcome.lines,
        "\r\nvia: 1.1 polygate\r\nconnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: abc="
    );
    assert!(outcome.upgraded && !outcome.end && !outcome.bodiless);
    assert_eq!(outcome.body, b"\x81\x00");
    let plain =
        feed([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".as_slice()], Asked { head: false, upgrade: true }, false);
    assert!(plain.end && !plain.upgraded);
}

#[test]
fn what_follows_a_response_is_left_over() {
    assert!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab").leftover);
    assert!(whole(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").leftover);
    assert!(whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n0\r\n\r\n").leftover);
}

const BAD: [&[u8]; 43] = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"\x16\x03\x01\x02\x00",
    b"http/1.1 200 OK\r\n\r\n",
    b"HTTP/2 200\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/0.9 200 OK\r\n\r\n",
    b"HTTP/1.2 200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1\t200 OK\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    b"HTTP/1.1 200 OK\n\n",
    b"HTTP/1.1 200 OK\nA: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\x01c\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\x7fc\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\na",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
];

#[test]
fn refuses_what_is_no_response_at_every_cut() {
    for bytes in BAD {
        for cut in 0..=bytes.len() {
            let outcome = feed([&bytes[..cut], &bytes[cut..]], Asked::default(), false);
            assert_eq!(outcome.bad, Some(Reason::BadResponse), "{} cut at {cut}", bytes.escape_ascii());
            assert_eq!(outcome.status, 0, "{} gave a head", bytes.escape_ascii());
        }
    }
}

#[test]
fn bounds_the_head() {
    let head = |filler: usize| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_vec();
        while bytes.len() + 2 < filler {
            let length = (filler - bytes.len() - 2).min(8192);
            if length < 8 {
                break;
            }
            bytes.extend_from_slice(b"A: ");
            bytes.resize(bytes.len() + length - 5, b'x');
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    };
    let fits = head(MAX_HEAD_BYTES);
    assert!(fits.len() <= MAX_HEAD_BYTES && fits.len() > MAX_HEAD_BYTES - 16);
    assert_eq!(whole(&fits).bad, None);
    assert_eq!(feed(fits.chunks(1000), Asked::default(), false), whole(&fits));
    assert_eq!(whole(&head(MAX_HEAD_BYTES + 100)).bad, Some(Reason::HeadTooLarge));
    let endless =
        b"HTTP/1.1 200 OK\r\nA: ".iter().copied().chain(std::iter::repeat_n(b'x', 1 << 20)).collect::<Vec<_>>();
    assert_eq!(feed(endless.chunks(1460), Asked::default(), false).bad, Some(Reason::HeadTooLarge));
    let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
    many.extend_from_slice(&b"A: b\r\n".repeat(MAX_HEADERS + 1));
    many.extend_from_slice(b"\r\n");
    assert_eq!(whole(&many).bad, Some(Reason::HeadTooLarge));
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// A response that is mostly right, and the body it has if it is.
fn compose(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(3) {
        bytes.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    }
    let status = [200, 204, 304, 404, 500, 101, 206][random.below(7)];
    bytes.extend_from_slice(format!("HTTP/1.{} {status} Some Reason\r\n", u8::from(random.below(8) != 0)).as_bytes());
    let body: Vec<u8> = (0..random.below(60)).map(|_| random.next() as u8).collect();
    for _ in 0..random.below(5) {
        let line = [
            "Server: x\r\n",
            "Date: now\r\n",
            "X-Latin: \u{e9}\r\n",
            "Connection: keep-alive, x-a\r\n",
            "X-A:1\r\n",
            "Connection: close\r\n",
            "Keep-Alive: timeout=1\r\n",
        ][random.below(7)];
        bytes.extend_from_slice(line.as_bytes());
    }
    match random.below(4) {
        0 => bytes.extend_from_slice(b"\r\n"),
        1 | 2 => bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes()),
        _ => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut rest = body.as_slice();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(random.below(rest.len()) + 1);
                bytes.extend_from_slice(format!("{:x}{}\r\n", chunk.len(), [";a=b", ""][random.below(2)]).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
                rest = after;
            }
            bytes.extend_from_slice(b"0\r\nX-Trailer: t\r\n\r\n");
            return bytes;
        }
    }
    bytes.extend_from_slice(&body);
    bytes
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.below(3) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = random.next() as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"\r\n :;,0\x00"[random.below(8)]),
            3 => bytes.truncate(at + 1),
            _ => {
                let piece = bytes[at..bytes.len().min(at + 20)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

/// Cut in two at every offset, and byte by byte: never a panic, the same response, never more body than in one piece.
#[test]
fn random_responses_give_the_same_at_every_cut() {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x9e37_79b9_7f4a_7c15);
    let mut random = Random(seed);
    for round in 0..300 {
        let mut bytes = compose(&mut random);
        if round % 3 != 0 {
            mutate(&mut random, &mut bytes);
        }
        let asked = Asked { head: random.below(8) == 0, upgrade: random.below(4) == 0 };
        let expected = feed([bytes.as_slice()], asked, true);
        let compare = |outcome: &Outcome, how: &str| {
            let at = format!("seed {seed}, round {round}, {how}: {}", bytes.escape_ascii());
            assert_eq!(outcome.bad, expected.bad, "{at}");
            assert_eq!(outcome.end && outcome.bad.is_none(), expected.end && expected.bad.is_none(), "{at}");
            if expected.bad.is_none() {
                assert_eq!(outcome, &expected, "{at}");
            } else {
                // A read that holds the fault gives nothing; earlier reads gave a part of what came before it.
                let framed = outcome.length.is_none_or(|length| outcome.body.len() as u64 <= length);
                assert!(framed && outcome.body.len() <= bytes.len(), "{at}");
            }
        };
        for cut in 1..bytes.len() {
            compare(&feed([&bytes[..cut], &bytes[cut..]], asked, true), &format!("cut at {cut}"));
        }
        compare(&feed(bytes.chunks(1), asked, true), "byte by byte");
        if let (Some(length), false) = (expected.length, expected.bodiless) {
            assert!(expected.body.len() as u64 <= length);
        }
    }
}

/// The reason a shared `Response` may serve the next request: nothing of the last one stays.
#[test]
fn nothing_stays_for_the_next_response() {
    let mut response = Response::new();
    let mut region = vec![0; 512 * 1024];
    let mut lines = Vec::new();
    let expected = Expected { head_request: false, upgrade: false, prefix: b"" };
    for _ in 0..2 {
        response.reset();
        assert!(!response.started());
        for part in [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2".as_slice(), b"00 OK\r\nContent-Length: 1\r\n\r\na"] {
            let at = response.prepare(&mut region, b"");
            region[at..at + part.len()].copy_from_slice(part);
            let piece = response.consume(&mut region, at + part.len(), expected, &mut lines).expect("a good response");
            assert_eq!(piece.end, part.ends_with(b"a"));
        }
    }
}
