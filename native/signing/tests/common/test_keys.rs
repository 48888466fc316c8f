//! Keys that only tests use: made by OpenSSL for them, or from RFC 9421, appendix B.1. DER in base64.

#![allow(dead_code)] // Reason: each test uses a part.

/// 2048 bits, PKCS #8.
pub const RSA_PRIVATE: &str = "\
    MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDGNz7pyfGb2dgiridvoXLn5C7+caQGSi5kwSDtc846+Yl0S4ZtaVsRackrUI\
    uszmRQ/d77VHjY3GsrvauTJWUCeIuD7ZII/dRH05h2ALRp1wNtQm3Tbhsi/YRDOf0n64xkilgI1RLK5PS4JVWviJekljX/T4gTorGlJmWOvXMV\
    DSjbThF1lAoKEcaTa9vEVYErsVkVF9pZ7W8wOODftp4WnHutAhJpQ6dXrqKmztaUnjbAmR5u5rpeVOtLxZh5W+kmvr9gBEHl8fcRnPHheUuDxC\
    TSLPB6eK7D5dD5rzHdWdMGiX23ne/ypK6ff7Yvnjh/NwoB9LnHHnawO9+K0s5nAgMBAAECggEAF/BWJdAg4Oy3YMDdvGqoQP9a+Znp8GSHI937\
    RxJEZvT6N9RjQNWHjRvUkumgZNdsYCe5BWuXSMGeI+M9VIEgqOK8HsvTZkiZma8ha6b8Iwg3vrtWHkHe/yPVFHVtcKPPCdl3dmGdammqcI75wU\
    Bi6BrIHLSTP6PXhpWTkGCrBHCi3srtOOuXnvOX5n+huQxpnZdpZ0sXRQofIMW+ALWYmpMKwobM1WbRBCBP3YZ7kalu3HHHjO3EM9SS9f02scfk\
    Vbb0RJ7zRmemMEhwl+x0xOWYFRXUFrPxSi4gynkr91IbTfrV5bZuxoWjDa1B15/1B09q+vnrlvT6H0iwH0Qq2QKBgQDyZdvTC77v4K19MY2TuU\
    NfOorRa46orHCP6ZpZOaHQ0z/K2JrIzfBVzXXKUNp+GczHWRc/gIgm/FaJgpoAY2MfHFZdzEjipXeQsXRvk9BWkDESLDrh3S8zf60/cj6YTHer\
    G434LTtX43XpNuRkjVKBesD39isT5fWH1n0W6sjZqwKBgQDRVrGrUcZWAx9NbBqgpJHFgPMSQ6t1ygjZnoBLu9REHtuIH3zAhx87Ulqcswc7ND\
    6DbdNxEbX2ybHU0GCVTfCR+DBczdBmGORWqKcCTspYbdqmZ4ZxsrrYo33qCMA/gVsqZ9MQTzfJnHqQ55w1LOURP2B85Y+KW+sGUtiUrsc6NQKB\
    gQDvKGqERuGDYUUq8XpDVxXO3j7asulVKJYCl7RO9lreY59cLuxA1VecAJSIIdABfMkbop4abGFpPazQDciOO4Evz9CyyPzcie93Fm7QK6Hx1m\
    BkErmh4Y5RnFY99CUoNMIZU512UIJti6HpkNw1DW5rC8dan0oPXuMqvAg9VTcH8wKBgG09FzO2VZBWysPlELQZjLQKyU0ToOqzhhDBpGNg3bC6\
    hYawH7J8EHEtVXmF9tUPOzvsWLUdL95be//4yR3AcTRK1jnncMOGY8lQ8u3CXdbtZHcHeOHmCZi5ICC7dk7tWrxzN3HAVPVRQahSJHKfPd3VO6\
    2RQWlK9Ab1vm1AE1itAoGBANfomtk86LUX9j8P94LP5NxR6lUHuq5itq8aOLTiA4LtXIiZJTw+bqOZfWSX1z8nrfUX8fHg65AjY14nKRZNVdhv\
    1QyAXMhonsTvohs5giJxirB94jn30IC41jNCoun9x7z2TPPrXijWVF1gGMYzeV1l6wlFJQRxL2/+B8XdGGXg\
    ";

/// Its public key.
pub const RSA_PUBLIC: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxjc+6cnxm9nYIq4nb6Fy5+Qu/nGkBkouZMEg7XPOOvmJdEuGbWlbEWnJK1CLrM5kUP\
    3e+1R42NxrK72rkyVlAniLg+2SCP3UR9OYdgC0adcDbUJt024bIv2EQzn9J+uMZIpYCNUSyuT0uCVVr4iXpJY1/0+IE6KxpSZljr1zFQ0o204R\
    dZQKChHGk2vbxFWBK7FZFRfaWe1vMDjg37aeFpx7rQISaUOnV66ips7WlJ42wJkebua6XlTrS8WYeVvpJr6/YARB5fH3EZzx4XlLg8Qk0izwen\
    iuw+XQ+a8x3VnTBol9t53v8qSun3+2L544fzcKAfS5xx52sDvfitLOZwIDAQAB\
    ";

/// P-256, PKCS #8.
pub const P256_PRIVATE: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVn4BItMQH/HUmdsWQ0NPvP/urLQEFyQ+93ikpgaCIrWhRANCAARn7GQ+llm9Bi\
    chfm85CEa92kk4pIqhnAvV8nP46CfJrUrtvzkO8grda06JgS1FjZKlgkRgk8QTTcfxVUM2muoL\
    ";

/// Its public key.
pub const P256_PUBLIC: &str = "\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ+xkPpZZvQYnIX5vOQhGvdpJOKSKoZwL1fJz+Ognya1K7b85DvIK3WtOiYEtRY2SpYJEYJPEE0\
    3H8VVDNprqCw==\
    ";

/// P-384, PKCS #8.
pub const P384_PRIVATE: &str = "\
    MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDC1Yh4WrdxtJM14+Upjvndos8KnSwjYVQakqJ6jDi38clbLtFo/gbZhrHBDUd+xQjuhZA\
    NiAAScorGKoAfykq1Xki6aLc3RtGUDYJcnx56Q+1f8IfePeoUId8sGbQKo81LwU/ijIgXcQeLNWos7LohDk+PZc6Dl3Lj0gEoIxuwRSSSVCzq+koG0\
    q2Aba4kbB4w01aYHfT8=\
    ";

/// Its public key.
pub const P384_PUBLIC: &str = "\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEnKKxiqAH8pKtV5Iumi3N0bRlA2CXJ8eekPtX/CH3j3qFCHfLBm0CqPNS8FP4oyIF3EHizVqLOy6IQ5Pj2X\
    Og5dy49IBKCMbsEUkklQs6vpKBtKtgG2uJGweMNNWmB30/\
    ";

/// RFC 9421, B.1.2.
pub const RFC_RSA_PSS_PUBLIC: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh\
    1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuY\
    LPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb\
    4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB\
    ";

/// RFC 9421, B.1.3.
pub const RFC_P256_PUBLIC: &str = "\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldk\
    kDXZCnTNnoXQ==\
    ";

/// RFC 9421, B.1.4.
pub const RFC_ED25519_PUBLIC: &str = "\
    MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\
    ";

/// RFC 9421, B.1.4.
pub const RFC_ED25519_PRIVATE: &str = "\
    MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\
    ";

/// RFC 9421, B.1.5.
pub const RFC_SHARED: &str = "\
    uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==\
    ";

pub fn der(base64: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64.trim()).unwrap_or_default()
}
