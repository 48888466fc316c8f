-- The greeting plugin in Luau.

return function(config: { greeting: string }, host: Host): Hooks
    return {
        request = function(request)
            if request.headers:get("x-block") then
                return request:respond(403, { ["content-type"] = "text/plain" }, "blocked")
            end
            request.headers:set("x-greeting", config.greeting)
            request.headers:delete("x-internal")
        end,
        response = function(response)
            response.headers:append("x-greeted", "yes")
        end,
    }
end
