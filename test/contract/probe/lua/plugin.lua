-- The probe in Luau: does what the header x-probe says, at the hook that x-probe-at names (`request` without one). The same as
-- the one in TypeScript, as far as a hook can that answers when it returns; it also counts, for the tests of its own.

type Act = (request: Request, name: string) -> any

-- Kept between requests, on purpose: what leaks would be seen.
local calls = 0

local acts: { [string]: Act } = {
    edit = function(request)
        request.headers:set("X-Set", "one")
        request.headers:append("x-repeated", "third")
        request.headers:delete("x-gone")
        request.headers:set("x-read", table.concat(request.headers:getAll("x-repeated"), "|"))
    end,
    target = function(request)
        request.method = "PUT"
        request.path = "/other/path"
        request.query = "a=b"
    end,
    see = function(request)
        local seen =
            { request.method, request.scheme, request.host, request.path, request.query, request.remoteAddress }
        request.headers:set("x-seen", table.concat(seen, " "))
        request.headers:set("x-seen-route", `{request.route} {request.consumer or "nobody"} {request.requestId}`)
    end,
    bytes = function(request)
        request.headers:set("x-bytes", request.headers:get("x-latin") or "")
    end,
    name = function(request, name)
        request.headers:set("x-name", name)
    end,
    calls = function(request)
        request.headers:set("x-calls", calls)
    end,
    respond = function(request)
        local headers = { ["content-type"] = "text/plain", ["set-cookie"] = { "a=1", "b=2" } }
        return request:respond(418, headers, "a teapot")
    end,
    fail = function(request)
        return request:fail("no wish to")
    end,
    throw = function()
        error("thrown by the probe")
    end,
    reject = function()
        error({ "rejected by the probe" })
    end,
    -- Hooks in Luau answer at once.
    later = function(request)
        request.headers:set("x-set", "later")
    end,
    loop = function()
        while true do
        end
    end,
    pattern = function(request)
        string.find(string.rep("a", 40), string.rep("a?", 40) .. string.rep("a", 40))
        request.headers:set("x-set", "too late")
    end,
    hog = function(_, name)
        local all = {}
        while true do
            table.insert(all, table.create(100_000, name))
        end
    end,
    exit = function()
        (os :: any).exit(3)
    end,
    odd = function()
        return 7
    end,
    ["bad name"] = function(request)
        request.headers:set("x bad", "1")
    end,
    ["bad value"] = function(request)
        request.headers:set("x-fine", "fine")
        request.headers:set("x-bad", "a\r\nx-injected: 1")
    end,
    framing = function(request)
        request.headers:set("content-length", "3")
    end,
    ["bad path"] = function(request)
        request.path = "/a/../../b"
    end,
    ["bad status"] = function(request)
        return request:respond(99)
    end,
    body = function(request)
        request.body = (request.body or "") .. "!"
    end,
    upstream = function(request)
        request:forwardTo("other")
    end,
    ["no upstream"] = function(request)
        request:forwardTo("nowhere")
    end,
    context = function(request, name)
        request.context:set("left", (request.context:get("left") or "") .. name)
        request.headers:set("x-context", request.context:get("left") or "")
    end,
}

local actsOnResponse: { [string]: (response: Response) -> any } = {
    reply = function(response)
        response.headers:set("x-reply", `{response.status} {response.headers:get("content-type") or ""}`)
        response.headers:delete("x-upstream")
    end,
    status = function(response)
        response.status = 202
    end,
    ["reply body"] = function(response)
        response.body = string.upper(response.body or "")
    end,
    replace = function(response)
        response.status = 200
        response.headers:set("content-type", "text/plain")
        response.body = "replaced"
    end,
    ["reply later"] = function(response)
        response.headers:set("x-reply", "later")
    end,
    ["reply throw"] = function()
        error("thrown at the response")
    end,
    ["reply framing"] = function(response)
        response.headers:set("transfer-encoding", "chunked")
    end,
}

return function(config: { name: string }, host: Host): Hooks
    host.log.info(`made {config.name}`)
    local function at(hook: string): (Request) -> any
        return function(request)
            local act = acts[request.headers:get("x-probe") or ""]
            if act and (request.headers:get("x-probe-at") or "request") == hook then
                calls += 1
                return act(request, config.name)
            end
            return nil
        end
    end
    return {
        request = at("request"),
        authenticate = function(request)
            local acted = at("authenticate")(request)
            if acted ~= nil then
                return acted
            end
            local consumer = request.headers:get("x-probe-consumer")
            return if consumer then { consumer = consumer } else nil
        end,
        authorize = at("authorize"),
        forward = at("forward"),
        response = function(response, request)
            local act = actsOnResponse[request.headers:get("x-probe") or ""]
            return if act then act(response) else nil
        end,
        log = function(request)
            if request.headers:get("x-probe-log") then
                host.log.info(`seen by the probe: path={request.path}`)
            end
        end,
    }
end
