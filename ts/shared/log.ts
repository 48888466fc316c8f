// The operational log of control and workers: one line to standard error per event, plain or (POLYGATE_LOG=json) JSON.
// For what happens to the processes, not for requests: those have the access log. Never throws and never waits: a line
// that a full pipe does not take is lost. A crash's last line must come out, hence the synchronous write.
import { writeSync } from 'node:fs'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export interface LogOptions {
  readonly json: boolean
  readonly level: LogLevel
  readonly write: (line: string) => void
}

const severity: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

function toStandardError(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // A closed or full standard error must not end the process that wanted to say why it ends.
  }
}

/** `component` names the speaker: `control`, `worker 1`. POLYGATE_LOG_LEVEL is debug, info (default), warn or error. */
export function createLog(component: string, options: Partial<LogOptions> = {}): Log {
  const json = options.json ?? process.env['POLYGATE_LOG'] === 'json'
  const write = options.write ?? toStandardError
  const least = severity[options.level ?? levelOf(process.env['POLYGATE_LOG_LEVEL'])]

  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (severity[level] < least) return
      const time = new Date().toISOString()
      write(
        json
          ? `${JSON.stringify({ time, level, component, message, ...fields })}\n`
          : plain(time, level, component, message, fields),
      )
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function levelOf(name: string | undefined): LogLevel {
  return name !== undefined && Object.hasOwn(severity, name) ? (name as LogLevel) : 'info'
}

function plain(time: string, level: LogLevel, component: string, message: string, fields: LogFields): string {
  let line = `${time} ${level.padEnd(5)} ${component}: ${oneLine(message)}`
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const text = String(value)
    line += ` ${name}=${/^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text)}`
  }
  return `${line}\n`
}

/** Several lines stay readable (a configuration's errors), but none can pass for a line of its own. */
const oneLine = (text: string): string => text.replace(/\r?\n/g, '\n    ').replace(/[\0-\x09\x0b-\x1f\x7f]/g, '?')
