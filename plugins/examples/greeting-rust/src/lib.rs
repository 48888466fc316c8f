//! The greeting plugin in Rust: blocks requests with `x-block`, and greets the upstream.

use polygate_plugin::{Config, Host, Plugin, Request, Response, Result, Verdict, polygate_plugin};

#[derive(serde::Deserialize)]
struct Greeting {
    greeting: String,
}

impl Plugin for Greeting {
    fn new(config: &Config<'_>, _host: &Host) -> Result<Self> {
        config.parse()
    }

    fn request(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        if request.headers.get("x-block").is_some() {
            return request.respond(403, &[("content-type", "text/plain")], "blocked");
        }
        request.headers.set("x-greeting", &self.greeting)?;
        request.headers.delete("x-internal")?;
        Ok(Verdict::Continue)
    }

    fn response(&mut self, response: &mut Response<'_>, _request: &Request<'_>) -> Result<Verdict> {
        response.headers.append("x-greeted", "yes")?;
        Ok(Verdict::Continue)
    }
}

polygate_plugin!(Greeting: request, response);
