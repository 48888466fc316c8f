// The guard stage: built-in checks in a fixed order, each a function of the exchange that answers now.
//   1. body size (body-size.ts): what is announced as too long is refused before a byte is read
import type { Stage } from '../pipeline.ts'
import { bodySizeGuard } from './body-size.ts'

export const guardStage = (): Stage => bodySizeGuard
