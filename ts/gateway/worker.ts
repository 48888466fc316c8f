// Entry of a worker process: control forks this file. Everything about requests is the gateway's, everything about
// control the channel's; here they meet.
import { native } from '../shared/native.ts'
import { serveControl } from './control-channel.ts'
import { createGateway, frontEndName } from './gateway.ts'

/** A worker that has not noticed within this time that control is gone does not run: it loops. */
const orphanGraceSeconds = 3
/** Beyond the time that an orphan gives itself. */
const marginSeconds = 1

await serveControl(
  control => {
    native().dieWithParent(Number(process.env['POLYGATE_CONTROL']), orphanGraceSeconds)
    return createGateway(control)
  },
  () => frontEndName,
  withinMs => native().outliveParent(Math.ceil(withinMs / 1000) + marginSeconds),
)
