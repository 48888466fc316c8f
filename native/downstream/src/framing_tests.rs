//! Pins: message boundaries and delivered bytes are the same however the bytes were cut into segments; ambiguous framing
//! is refused; no input panics.

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 4096, lines: 20 };

/// What came of a byte string: delivered bytes of each message, heads as received, and what it ended in.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    messages: Vec<Vec<u8>>,
    heads: Vec<Vec<u8>>,
    end: String,
}

/// Does what a connection does: keeps what is not used and gives it again with more behind it.
fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut framing = Framing::new();
    let (mut kept, mut head) = (Vec::new(), Vec::new());
    let mut outcome = Outcome { messages: Vec::new(), heads: Vec::new(), end: "between messages".into() };
    let mut message = Vec::new();
    'pieces: for piece in pieces {
        kept.extend_from_slice(piece);
        while !kept.is_empty() {
            let step = framing.advance(&mut kept, LIMITS, &mut head);
            assert!(step.delivered <= step.consumed && step.consumed <= kept.len());
            if step.head {
                outcome.heads.push(head.clone());
            }
            if let Stop::Refuse(why) = step.stop {
                outcome.end = format!("{why:?}");
                break 'pieces;
            }
            message.extend_from_slice(&kept[..step.delivered]);
            kept.drain(..step.consumed);
            match step.stop {
                Stop::End => {
                    outcome.messages.push(std::mem::take(&mut message));
                    assert!(framing.at_start());
                }
                Stop::NeedHead => {
                    outcome.end = "inside a head".into();
                    continue 'pieces;
                }
                _ => {}
            }
            outcome.end = if framing.at_start() { "between messages" } else { "inside a body" }.into();
        }
    }
    outcome
}

fn text(outcome: &Outcome) -> Vec<String> {
    outcome.messages.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

/// Input, delivered messages, end.
// Reason: a table.
#[allow(clippy::too_many_lines)]
fn table() -> Vec<(String, Vec<String>, &'static str)> {
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}");
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let one = |message: String| (message.clone(), vec![message], "between messages");
    let refused = |message: String| (message, vec![], "Malformed");
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    vec![
        (String::new(), vec![], "between messages"),
        one(GET.into()),
        (GET.repeat(3), vec![GET.into(); 3], "between messages"),
        (GET[..20].into(), vec![], "inside a head"),
        (format!("{GET}GET"), vec![GET.into()], "inside a head"),
        // Empty lines before a request line.
        (format!("\r\n\r\n{GET}\r\n{GET}"), vec![GET.into(); 2], "between messages"),
        refused(format!("\r{GET}")),
        refused(format!("\r\n\rX{GET}")),
        // Request lines.
        refused("hello\r\n\r\n".into()),
        refused("GET /\r\nHost: x\r\n\r\n".into()),
        refused(get("/a b")),
        refused(get("/a\tb")),
        refused(get("")),
        refused("GET  / HTTP/1.1\r\n\r\n".into()),
        refused(" / HTTP/1.1\r\n\r\n".into()),
        refused("GET / http/1.1\r\n\r\n".into()),
        refused("GET / HTTP/1.10\r\n\r\n".into()),
        ("GET / HTTP/1.0\r\nHost: x\r\n\r\n".into(), vec![], "Version"),
        ("PRI * HTTP/2.0\r\n\r\n".into(), vec![], "Version"),
        // Stray line ends.
        refused("GET / HTTP/1.1\nHost: x\r\n\r\n".into()),
        refused(post("A: b\rc\r\n", "")),
        refused(post("A: b\nC: d\r\n", "")),
        refused(post("A: b\r\r\n", "")),
        // Targets that are not in origin form.
        (get("http://h.example/p?q"), vec![get("/p?q")], "between messages"),
        (get("HTTPS://h.example?q"), vec![get("/?q")], "between messages"),
        (get("http://h"), vec![get("/")], "between messages"),
        (get("http:///p"), vec![get("http:///p")], "between messages"),
        (get("*"), vec![get("/")], "between messages"),
        (get("*x"), vec![get("*x")], "between messages"),
        // By length.
        one(post("Content-Length: 0\r\n", "")),
        one(post("content-LENGTH:\t 5 \r\n", "hello")),
        (
            post("Content-Length: 5\r\n", "helloGET") + &GET[3..],
            vec![post("Content-Length: 5\r\n", "hello"), GET.into()],
            "between messages",
        ),
        (post("Content-Length: 5\r\n", "hell"), vec![], "inside a body"),
        (post("Content-Length: 999999999999999999\r\n", "x"), vec![], "inside a body"),
        (post("Content-Length: 9223372036854775807\r\n", "x"), vec![], "inside a body"),
        (
            post("Content-Length: 00000000000000000000000000000005\r\n", "helloGET") + &GET[3..],
            vec![post("Content-Length:                                5\r\n", "hello"), GET.into()],
            "between messages",
        ),
        (
            post("Content-Length:0000000000000000000\r\n", "") + GET,
            vec![post("Content-Length:                  0\r\n", ""), GET.into()],
            "between messages",
        ),
        refused(post("Content-Length: 000000000000000000000000000000005\r\n", "hello")),
        refused(post("Content-Length: 9223372036854775808\r\n", "x")),
        refused(post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
        refused(post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!")),
        refused(post("Content-Length: 5, 5\r\n", "hello")),
        refused(post("Content-Length: +5\r\n", "hello")),
        refused(post("Content-Length: -1\r\n", "")),
        refused(post("Content-Length: 0x5\r\n", "hello")),
        refused(post("Content-Length:\r\n", "")),
        refused(post("Content-Length: 18446744073709551617\r\n", "x")),
        refused(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        refused(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")),
        refused(post(": hidden\r\nContent-Length: 5\r\n", "hello")),
        // Chunked.
        one(chunked("0\r\n\r\n")),
        one(chunked("5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n")),
        one(chunked("00a\r\n0123456789\r\n000\r\n\r\n")),
        (
            chunked("5;a=b\r\nhello\r\n3 ; c=\"d;e\"\r\nabc\r\n0;last\r\n\r\n") + GET,
            vec![chunked("5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n"), GET.into()],
            "between messages",
        ),
        (
            chunked("1\r\nx\r\n0\r\nExpires: never\r\nX: y\r\n\r\n") + GET,
            vec![chunked("1\r\nx\r\n0\r\n\r\n"), GET.into()],
            "between messages",
        ),
        (chunked("5\r\nhel"), vec![], "inside a body"),
        (chunked("0\r\n"), vec![], "inside a body"),
        refused(chunked("\r\n")),
        refused(chunked("G\r\n")),
        refused(chunked("0x5\r\nhello\r\n0\r\n\r\n")),
        refused(chunked("-1\r\nx\r\n")),
        refused(chunked(" 5\r\nhello\r\n")),
        refused(chunked("5 \r\nhello\r\n")),
        refused(chunked("5\nhello\r\n")),
        refused(chunked("5\r\nhello!\r\n")),
        refused(chunked("5\r\nhello\n0\r\n\r\n")),
        refused(chunked("5\rhello\r\n")),
        refused(chunked("5;a\nb\r\nhello\r\n")),
        refused(chunked("5;\u{7f}\r\nhello\r\n")),
        refused(chunked("1000000000000000\r\n")),
        refused(chunked("0\r\n folded: x\r\n\r\n")),
        refused(chunked("0\r\nA: b\n\r\n")),
        refused(chunked("0\r\n\rX")),
        refused(post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
        refused(post("Transfer-Encoding: identity\r\n", "")),
        refused(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        refused(post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")),
        one(post("transfer-encoding:CHUNKED\r\n", "0\r\n\r\n")),
        // Limits.
        (post(&"A: b\r\n".repeat(19), ""), vec![post(&"A: b\r\n".repeat(19), "")], "between messages"),
        (post(&"A: b\r\n".repeat(20), ""), vec![], "HeadTooLarge"),
        (post(&format!("A: {}\r\n", "b".repeat(4096)), ""), vec![], "HeadTooLarge"),
        ("x".repeat(4096), vec![], "HeadTooLarge"),
        ("x".repeat(4095), vec![], "inside a head"),
    ]
}

#[test]
fn boundaries_are_those_of_the_table_for_every_cut() {
    for (input, messages, end) in table() {
        let bytes = input.as_bytes();
        let whole = run([bytes]);
        assert_eq!((text(&whole), whole.end.as_str()), (messages, end), "{input:?}");
        for cut in 0..bytes.len() {
            assert_eq!(run([&bytes[..cut], &bytes[cut..]]), whole, "{input:?} cut at {cut}");
        }
        assert_eq!(run(bytes.chunks(1)), whole, "{input:?} byte by byte");
    }
}

#[test]
fn a_head_is_kept_as_it_was_received() {
    let outcome = run([&b"\r\nGET http://h/p HTTP/1.1\r\nHost: h\r\nX-CaSe: V\r\n\r\n"[..]]);
    assert_eq!(outcome.heads, [b"GET http://h/p HTTP/1.1\r\nHost: h\r\nX-CaSe: V\r\n\r\n"]);
}

/// xorshift64: the seed is in the failure message, so a failure can be repeated.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn random_bytes_and_cuts_never_panic_and_agree() {
    let words: [&[u8]; 22] = [
        b"GET / HTTP/1.1\r\n",
        b"POST /x HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"3",
        b";x",
        b": ",
        b"abc",
        b"\0",
        b"\xff\x80",
        b"0\r\nT: v\r\n\r\n",
        b"f",
        b" ",
        b"http://h",
        b"*",
    ];
    for round in 0..20_000u64 {
        let seed = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut state = seed;
        let mut input = Vec::new();
        for _ in 0..random(&mut state) % 24 {
            if random(&mut state).is_multiple_of(8) {
                input.push(random(&mut state) as u8);
            } else {
                input.extend_from_slice(words[random(&mut state) as usize % words.len()]);
            }
        }
        let whole = run([&input[..]]);
        let mut cuts = Vec::new();
        let mut rest = &input[..];
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(1 + random(&mut state) as usize % rest.len());
            cuts.push(piece);
            rest = more;
        }
        assert_eq!(run(cuts), whole, "seed {seed}: {}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn a_body_that_the_front_end_cannot_count_is_refused_where_its_count_ends() {
    let (mut framing, mut head) = (Framing::new(), Vec::new());
    let mut bytes = b"POST / HTTP/1.1\r\nContent-Length: 1000000000000000000\r\n\r\nab".to_vec();
    let step = framing.advance(&mut bytes, LIMITS, &mut head);
    assert_eq!(step.stop, Stop::More);
    assert!(String::from_utf8_lossy(&bytes).contains(":  999999999999999999\r\n"), "what the front end reads");
    assert!(String::from_utf8_lossy(&head).contains(": 1000000000000000000\r\n"), "what was received");
    assert_eq!(framing.remaining(), Some(FRONT_END_LENGTH - 2));
    assert!(!framing.in_chunks() && !framing.at_start());
    // 10^18 bytes later.
    framing.state = State::Endless(3);
    let mut rest = *b"cdeGET / HTTP/1.1\r\n\r\n";
    let step = framing.advance(&mut rest, LIMITS, &mut head);
    assert_eq!((step.delivered, step.stop), (3, Stop::Refuse(Refused::Malformed)));
}
