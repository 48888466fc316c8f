//! The probe in Rust: does what the header x-probe says, at the hook that x-probe-at names (`request` without one). The
//! same as the one in TypeScript, as far as native code can; it also panics, waits and counts, for the tests of its own.

use std::time::Duration;

use polygate_plugin::{Config, Error, Host, Plugin, Request, Response, Result, Verdict, polygate_plugin};

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

struct Probe {
    name: String,
    calls: u32,
    host: Host,
}

impl Probe {
    fn at(&mut self, hook: &str, request: &mut Request<'_>) -> Result<Verdict> {
        if request.headers.get_str("x-probe-at").unwrap_or("request") == hook {
            return self.act(request);
        }
        Ok(Verdict::Continue)
    }

    fn act(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        let what = request.headers.get_str("x-probe").unwrap_or_default().to_owned();
        self.calls += 1;
        match what.as_str() {
            "edit" => {
                request.headers.set("X-Set", "one")?;
                request.headers.append("x-repeated", "third")?;
                request.headers.delete("x-gone")?;
                let read = request.headers.get_all("x-repeated").collect::<Vec<_>>().join(&b'|');
                request.headers.set("x-read", read)?;
            }
            "target" => {
                request.set_method("PUT")?;
                request.set_path("/other/path")?;
                request.set_query("a=b")?;
            }
            "see" => see(request)?,
            "bytes" => {
                let bytes = request.headers.get("x-latin").unwrap_or_default().to_vec();
                request.headers.set("x-bytes", bytes)?;
            }
            "name" => request.headers.set("x-name", &self.name)?,
            "calls" => request.headers.set("x-calls", self.calls.to_string())?,
            "respond" => {
                let fields = [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
                return request.respond(418, &fields, "a teapot");
            }
            "fail" | "throw" | "reject" => return Err(Error::new(format!("{what}: thrown by the probe"))),
            // Hooks of native code answer at once.
            "later" => request.headers.set("x-set", "later")?,
            "wait" => {
                std::thread::sleep(Duration::from_millis(400));
                request.headers.set("x-set", "too late")?;
            }
            "panic" => panic!("the probe of {} panics", self.name),
            "bad name" => request.headers.set("x bad", "1")?,
            "bad value" => {
                request.headers.set("x-fine", "fine")?;
                request.headers.set("x-bad", "a\r\nx-injected: 1")?;
            }
            "framing" => request.headers.set("content-length", "3")?,
            "bad path" => request.set_path("/a/../../b")?,
            "bad status" => return request.respond(99, &[("a", "b")], ""),
            "body" => {
                let body = [request.body().unwrap_or_default(), b"!"].concat();
                request.set_body(body)?;
            }
            "upstream" => request.set_upstream("other")?,
            "no upstream" => request.set_upstream("nowhere")?,
            "context" => {
                let left = [request.context("left").unwrap_or_default(), self.name.as_bytes()].concat();
                request.set_context("left", &left)?;
                request.headers.set("x-context", left)?;
            }
            _ => {}
        }
        Ok(Verdict::Continue)
    }
}

fn see(request: &mut Request<'_>) -> Result<()> {
    let seen =
        [request.method(), request.scheme(), request.host(), request.path(), request.query(), request.remote_address()];
    let (seen, consumer) = (seen.join(" "), request.consumer());
    let consumer = if consumer.is_empty() { "nobody" } else { consumer };
    let route = [request.route(), consumer, request.request_id()].join(" ");
    request.headers.set("x-seen", seen)?;
    request.headers.set("x-seen-route", route)?;
    Ok(())
}

impl Plugin for Probe {
    fn new(config: &Config<'_>, host: &Host) -> Result<Self> {
        let Named { name } = config.parse()?;
        host.info(format!("made {name}"));
        Ok(Self { name, calls: 0, host: host.clone() })
    }

    fn request(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        self.at("request", request)
    }

    fn authenticate(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        let verdict = self.at("authenticate", request)?;
        if let Some(name) = request.headers.get_str("x-probe-consumer").map(str::to_owned) {
            request.set_consumer(&name)?;
        }
        Ok(verdict)
    }

    fn authorize(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        self.at("authorize", request)
    }

    fn forward(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        self.at("forward", request)
    }

    fn response(&mut self, response: &mut Response<'_>, request: &Request<'_>) -> Result<Verdict> {
        match request.headers.get_str("x-probe").unwrap_or_default() {
            "reply" => {
                let seen =
                    format!("{} {}", response.status(), response.headers.get_str("content-type").unwrap_or_default());
                response.headers.set("x-reply", seen)?;
                response.headers.delete("x-upstream")?;
            }
            "status" => response.set_status(202)?,
            "reply body" => {
                let body = response.body().unwrap_or_default().to_ascii_uppercase();
                response.set_body(body)?;
            }
            "replace" => {
                response.set_status(200)?;
                response.headers.set("content-type", "text/plain")?;
                response.set_body("replaced")?;
            }
            "reply later" => response.headers.set("x-reply", "later")?,
            "reply throw" => return Err(Error::new("thrown at the response")),
            "reply framing" => response.headers.set("transfer-encoding", "chunked")?,
            _ => {}
        }
        Ok(Verdict::Continue)
    }

    fn log(&mut self, request: &Request<'_>, _response: Option<&Response<'_>>) -> Result<()> {
        if request.headers.get("x-probe-log").is_some() {
            self.host.info(format!("seen by the probe: path={}", request.path()));
        }
        Ok(())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.host.info(format!("dropped {}", self.name));
    }
}

polygate_plugin!(Probe: request, authenticate, authorize, forward, response, log);
