// Entry of a worker process: control forks this file. Everything about requests is the gateway's, everything about
// control the channel's; here they meet.
import { serveControl } from './control-channel.ts'
import { createGateway, frontEndName } from './gateway.ts'

await serveControl(createGateway, () => frontEndName)
