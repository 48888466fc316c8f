//! A plugin for the tests of the host: does what the request's path says, all that is wrong and all that can be read.

use std::sync::atomic::{AtomicBool, Ordering};

use polygate_plugin::{Config, Error, Host, Level, Plugin, Request, Response, Result, Verdict, polygate_plugin};

/// One with the fault "once" has been made.
static MADE: AtomicBool = AtomicBool::new(false);

#[derive(serde::Deserialize)]
struct Wanted {
    name: String,
    #[serde(default)]
    fault: String,
}

struct Faulty {
    name: String,
    fault: String,
    calls: u32,
    host: Host,
}

impl Plugin for Faulty {
    fn new(config: &Config<'_>, host: &Host) -> Result<Self> {
        let Wanted { name, fault } = config.parse()?;
        match fault.as_str() {
            "once" if MADE.swap(true, Ordering::Relaxed) => return Err(Error::new("once was enough")),
            "panic" => panic!("no more of this"),
            "error" => return Err(Error::new("the name is taken")),
            _ => {}
        }
        host.info(format!("made {name}"));
        Ok(Self { name, fault, calls: 0, host: host.clone() })
    }

    #[allow(clippy::too_many_lines)] // Reason: a list of cases.
    fn request(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        self.calls += 1;
        match request.path() {
            "/panic" => panic!("call {} of {}", self.calls, self.name),
            "/index" => {
                let fields: Vec<_> = request.headers.entries().map(|(name, _)| name.len()).collect();
                let length = fields[fields.len()];
                request.headers.set("x-length", length.to_string())?;
            }
            "/error" => return Err(Error::new("it is not my day")),
            "/other-error" => {
                let _: u32 = request.headers.get_str("x-number").unwrap_or("none").parse()?;
            }
            "/invalid" => request.headers.set("content-length", "1")?,
            "/ignored" => {
                let refused = request.headers.set("x-a", "a\r\nb: c").err();
                request.headers.set("x-refused", format!("{refused:?}"))?;
            }
            "/everything" => {
                let seen = [
                    request.method(),
                    request.scheme(),
                    request.host(),
                    request.path(),
                    request.query(),
                    request.remote_address(),
                    request.request_id(),
                    request.route(),
                    request.consumer(),
                ]
                .join("|");
                request.headers.set("x-seen", seen)?;
                let all: Vec<_> = request.headers.get_all("X-Twice").map(String::from_utf8_lossy).collect();
                let all = all.join("|");
                request.headers.set("x-all", all)?;
                let count = request.headers.entries().count().to_string();
                request.headers.set("x-count-of-fields", count)?;
                let body = format!("{:?}", request.body());
                request.headers.set("x-body", body)?;
            }
            "/edit" => {
                request.set_method("REPORT")?;
                request.set_host("other.example:81")?;
                request.set_path("/edited/./path")?;
                request.set_query("edited=1")?;
                request.headers.append("x-twice", "third")?;
                request.headers.append("x-bytes", [0xff, 0xe9])?;
                request.headers.delete("x-gone")?;
                request.set_context("left", "by request")?;
            }
            "/respond" => {
                let fields = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-type", "text/plain")];
                return request.respond(418, &fields, [b'b', 0xff]);
            }
            "/respond-badly" => return request.respond(199, &[("a", "b")], ""),
            "/respond-with-length" => return request.respond(200, &[("content-length", "9")], ""),
            "/too-early" => request.set_consumer("alice")?,
            "/log" => {
                self.host.log(Level::Debug, "quiet");
                self.host.error([b'l', 0xff]);
                self.host.warn("x".repeat(10_000));
            }
            _ => {
                let greeting = format!("{} {}", self.name, self.calls);
                request.headers.set("x-name", greeting)?;
            }
        }
        Ok(Verdict::Continue)
    }

    fn authenticate(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        request.set_consumer(&self.name)?;
        Ok(Verdict::Continue)
    }

    fn authorize(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        let left = request.context("left").unwrap_or_default().to_vec();
        request.headers.set("x-left", left)?;
        Ok(Verdict::Continue)
    }

    fn response(&mut self, response: &mut Response<'_>, request: &Request<'_>) -> Result<Verdict> {
        let seen = format!("{} {} {:?}", response.status(), request.path(), response.body());
        response.headers.set("x-seen", seen)?;
        response.headers.append("via", "faulty")?;
        response.headers.delete("server")?;
        response.set_status(203)?;
        response.set_body("new")?;
        Ok(Verdict::Continue)
    }

    fn log(&mut self, request: &Request<'_>, response: Option<&Response<'_>>) -> Result<()> {
        self.host.info(format!("{} {:?}", request.path(), response.map(Response::status)));
        Ok(())
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.host.info(format!("dropped {}", self.name));
        assert!(self.fault != "panic-in-drop", "one last time");
    }
}

polygate_plugin!(Faulty: request, authenticate, authorize, response, log);
