-- Sends a share of the clients to another upstream: consumers by their name, others by their address. A client stays where
-- it is from request to request and from worker to worker, and when the share grows nobody goes back.

type Config = { upstream: string, percent: number, header: string? }

-- FNV-1a, for its spread over short texts: 0 to 99.99.
local function placeOf(client: string): number
    local hash = 2166136261
    for index = 1, #client do
        hash = bit32.bxor(hash, string.byte(client, index))
        -- Times 16777619, in parts that a double holds exactly.
        hash = bit32.bor(0, (hash * 403 + bit32.lshift(bit32.band(hash, 255), 24)) % 4294967296)
    end
    hash = bit32.bxor(hash, bit32.rshift(hash, 15))
    return (hash % 10000) / 100
end

return function(config: Config, host: Host): Hooks
    return {
        forward = function(request)
            local wish = config.header and request.headers:get(config.header)
            local chosen = wish == "always"
                or wish ~= "never" and placeOf(request.consumer or request.remoteAddress) < config.percent
            if config.header then
                request.headers:delete(config.header)
            end
            request.context:set("canary", if chosen then "yes" else "no")
            if chosen then
                request:forwardTo(config.upstream)
            end
        end,
    }
end
