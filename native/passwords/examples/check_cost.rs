//! What a request with known credentials costs, beside the hash that it saves.
//! `cargo run --release -p polygate-passwords --example check_cost`

use std::hint::black_box;
use std::sync::mpsc::channel;
use std::time::Instant;

use polygate_passwords::{Accounts, Outcome, PasswordHash, Scratch, Verifier, make_argon2id};

const ROUNDS: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = make_argon2id(b"open sesame", b"0123456789abcdef").ok_or("no memory")?;
    let mut scratch = Scratch::default();
    for (name, hash) in [
        ("argon2id 19 MiB", own.as_str()),
        ("bcrypt 12", "$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ] {
        let hash = PasswordHash::parse(hash)?;
        for _ in 0..3 {
            let start = Instant::now();
            black_box(hash.verify(b"open sesame", &mut scratch));
            println!("{name}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let mut accounts = Accounts::default();
    for number in 0..1000 {
        accounts.add(format!("user-{number}").as_bytes(), &[own.as_str()])?;
    }
    accounts.add(b"Aladdin", &[own.as_str()])?;
    let (wake, woken) = channel();
    let mut verifier = Verifier::new([7; 32], move || {
        let _ = wake.send(());
    });
    let mut check = |header: &[u8]| verifier.check(&accounts, std::iter::once(header), 1);
    let header = b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(check(header), Outcome::Later);
    woken.recv()?;
    verifier.take(|_, outcome| assert_eq!(outcome, Outcome::Known(1000)));
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let outcome = verifier.check(&accounts, std::iter::once(black_box(&header[..])), 1);
            assert_eq!(outcome, Outcome::Known(1000));
        }
        println!("known: {:.0} ns", start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS));
    }
    Ok(())
}
