// Plugins of the addon as the worker uses them: what loading refuses, what a call's flags and verdict mean, that a call
// that is only tried leaves its slot as it was, and what one call costs. What plugins may do is pinned by native/extend
// and by the contract suite.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { EditKind } from '../../ts/gateway/extend/outcome.ts'
import { noHead } from '../../ts/shared/native-edits.ts'
import type { RequestHeads } from '../../ts/shared/native-heads.ts'
import { PluginCall, pluginConsumer, PluginVerdict, type NativePluginOptions } from '../../ts/shared/native-plugins.ts'
import { native, type NativeExchanges } from '../../ts/shared/native.ts'
import { hookNames } from '../../ts/shared/plugin-hooks.ts'
import { callCost } from '../helpers/call-cost.ts'
import { cargoLibrary } from '../helpers/native-library.ts'

interface Made {
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  readonly folder: string
  readonly load: (options?: Partial<NativePluginOptions>) => number
  /** Calls `request` for a request with x-probe in slot 0. */
  readonly call: (plugin: number, probe: string, flags?: number, body?: Uint8Array | null, context?: string[]) => number
}

const requestHook = hookNames.indexOf('request')
const responseHook = hookNames.indexOf('response')

function make(t: TestContext): Made {
  const heads = new (native().RequestHeads)({ slots: 4, maxHeadBytes: 16_384, maxHeaders: 100 })
  const exchanges = new (native().Exchanges)(heads.id)
  const folder = mkdtempSync(join(tmpdir(), 'polygate-native-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const usual = {
    name: 'probe',
    file: cargoLibrary('probe-plugin'),
    folder: join(folder, 'copies'),
    config: '{"name":"n"}',
    hooks: hookNames.map((_, at) => at),
  }
  return {
    heads,
    exchanges,
    folder,
    load: (options = {}) => exchanges.loadNativePlugin({ ...usual, ...options }),
    call: (plugin, probe, flags = 0, body, context) => {
      const text = `GET /p?q=1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: i\r\nX-Probe: ${probe}\r\n\r\n`
      assert.equal(heads.takeText(0, text), 0)
      return exchanges.callPlugin(plugin, requestHook | flags, 0, 100, 'route', body, context)
    },
  }
}

test('what cannot be loaded says why, and wrong arguments are TypeErrors', t => {
  const { exchanges, heads, folder, load, call } = make(t)
  assert.throws(() => load({ file: join(folder, 'none.so') }), /^Error: probe: .*none\.so: No such file/)
  assert.throws(() => load({ config: '{}' }), /^Error: probe: config: missing field `name`/)
  assert.throws(() => load({ config: '' }), /^Error: probe: config: EOF/)
  assert.throws(() => load({ hooks: [6] }), TypeError)
  assert.throws(() => call(0, 'edit'), TypeError, 'nothing was loaded')
  const plugin = load()
  assert.throws(() => call(plugin + 1, 'edit'), TypeError)
  assert.throws(() => call(plugin, 'edit', 7), TypeError, 'no such hook')
  assert.throws(() => exchanges.callPlugin(plugin, 0, 0, 100, 7 as unknown as string), TypeError)
  assert.throws(() => exchanges.callPlugin(plugin, PluginCall.body, 0, 100, ''), TypeError)
  heads.release(0)
  assert.equal(exchanges.callPlugin(plugin, requestHook, 0, 100, ''), noHead)
  assert.deepEqual(exchanges.pluginLines(plugin), ['info', 'made n'])
  assert.deepEqual(exchanges.pluginLines(plugin), [])
  assert.deepEqual(exchanges.dropPlugin(plugin), ['info', 'dropped n'])
  assert.deepEqual(exchanges.dropPlugin(plugin), [])
  assert.throws(() => call(plugin, 'edit'), TypeError)
  assert.equal(load(), plugin, 'a number is used again')
  assert.equal(readdirSync(join(folder, 'copies')).length, 1)
})

test('edits are in the slot when the call returns; of one that is only tried they are a list', t => {
  const { exchanges, heads, load, call } = make(t)
  const plugin = load()
  exchanges.pluginLines(plugin)
  assert.equal(call(plugin, 'edit'), 0)
  assert.deepEqual([heads.header(0, 'x-set'), exchanges.editedPath(0)], ['one', '/p'])
  assert.equal(call(plugin, 'edit', PluginCall.tentative), PluginVerdict.said)
  assert.equal(heads.header(0, 'x-set'), undefined)
  const { kinds, texts, cause } = exchanges.pluginSaid()
  assert.equal(cause, '')
  assert.deepEqual(kinds, [EditKind.set, EditKind.append, EditKind.remove, EditKind.set])
  assert.deepEqual(texts, ['X-Set', 'one', 'x-repeated', 'third', 'x-gone', '', 'x-read', 'third'])
  assert.equal(call(plugin, 'target', PluginCall.tentative), PluginVerdict.said)
  assert.deepEqual(exchanges.pluginSaid().kinds, [EditKind.method, EditKind.path, EditKind.query])
  assert.deepEqual([exchanges.editedMethod(0), exchanges.editedPath(0)], ['GET', '/p'])
  // What was said is said once.
  assert.deepEqual(exchanges.pluginSaid().kinds, [])
})

test('answers, context, upstream, body, consumer and failures are what pluginSaid tells', t => {
  const { exchanges, heads, load, call } = make(t)
  const plugin = load()
  exchanges.pluginLines(plugin)
  assert.equal(call(plugin, 'respond'), PluginVerdict.said)
  const { answerStatus, answerHeaders, answerBody } = exchanges.pluginSaid()
  assert.deepEqual([answerStatus, Buffer.from(answerBody!).toString()], [418, 'a teapot'])
  assert.deepEqual(answerHeaders, ['content-type', 'text/plain', 'set-cookie', 'a=1', 'set-cookie', 'b=2'])

  assert.equal(call(plugin, 'context', PluginCall.context, null, ['left', '\u{1f600}']), PluginVerdict.said)
  const said = exchanges.pluginSaid()
  assert.deepEqual([said.kinds, said.texts], [[EditKind.context], ['left', '\u{1f600}n']])
  assert.equal(call(plugin, 'upstream'), PluginVerdict.said)
  assert.deepEqual(exchanges.pluginSaid().texts, ['upstream', 'other'])

  assert.equal(call(plugin, 'body', PluginCall.body, Buffer.from('text')), PluginVerdict.said)
  assert.equal(Buffer.from(exchanges.pluginSaid().newBody!).toString(), 'text!')
  assert.equal(call(plugin, 'body'), PluginVerdict.failed)
  assert.match(exchanges.pluginSaid().reason, /has not asked for this body/)

  heads.takeText(0, 'GET / HTTP/1.1\r\nHost: a\r\nX-Probe-Consumer: alice\r\n\r\n')
  assert.equal(exchanges.callPlugin(plugin, hookNames.indexOf('authenticate'), 0, 100, ''), PluginVerdict.said)
  assert.equal(exchanges.pluginSaid().named, 'alice')
  exchanges.setRemoteAddress(0, new TextEncoder().encode('10.0.0.1').buffer)
  assert.equal(call(plugin, 'see', PluginCall.tls | pluginConsumer(exchanges.consumer('bob'))), 0)
  assert.equal(heads.header(0, 'x-seen'), 'GET https a /p q=1 10.0.0.1')
  assert.equal(heads.header(0, 'x-seen-route'), 'route bob i')

  assert.equal(call(plugin, 'throw'), PluginVerdict.failed)
  assert.deepEqual([exchanges.pluginSaid().cause, call(plugin, 'none')], ['error', 0])
  exchanges.pluginLines(plugin)
  assert.equal(call(plugin, 'panic'), PluginVerdict.failed | PluginVerdict.logged)
  assert.match(exchanges.pluginSaid().reason, /panicked at .*lib\.rs:\d+:\d+: the probe of n panics/)
  assert.deepEqual(exchanges.pluginLines(plugin), ['info', 'dropped n', 'info', 'made n'])
  assert.equal(call(plugin, 'none'), 0, 'it has been made anew')
})

test('a response is read and edited', t => {
  const { exchanges, heads, load } = make(t)
  const plugin = load()
  exchanges.pluginLines(plugin)
  const call = (probe: string, body: Uint8Array | null): number => {
    heads.takeText(0, `GET / HTTP/1.1\r\nHost: a\r\nX-Probe: ${probe}\r\n\r\n`)
    const block = '\r\nX-Upstream: caf\xe9\r\nContent-Type: text/plain'
    return exchanges.callPlugin(plugin, responseHook | PluginCall.reply, 0, 100, '', null, null, 200, block, body)
  }
  assert.equal(call('reply', null), PluginVerdict.said)
  const { kinds, texts } = exchanges.pluginSaid()
  assert.deepEqual(kinds, [EditKind.set, EditKind.remove])
  assert.deepEqual(texts, ['x-reply', '200 text/plain', 'x-upstream', ''])
  assert.equal(call('status', null), PluginVerdict.said)
  assert.deepEqual([exchanges.pluginSaid().newStatus, call('none', null)], [202, 0])
  assert.equal(call('reply body', Buffer.from('text')), PluginVerdict.said)
  assert.equal(Buffer.from(exchanges.pluginSaid().newBody!).toString(), 'TEXT')
  assert.equal(call('replace', null), PluginVerdict.failed, 'the body was not asked for')
})

test('what a call costs', t => {
  const { exchanges, heads, load } = make(t)
  const file = cargoLibrary('greeting-rust')
  const plugin = load({ name: 'greeting', file, config: '{"greeting":"hello"}', hooks: [requestHook] })
  const cost = callCost(exchanges, heads, plugin)
  assert.deepEqual([heads.header(0, 'x-greeting'), heads.header(0, 'x-internal')], ['hello', undefined])
  t.diagnostic(`${cost.toFixed(0)} ns a call, with a library built for debugging`)
  // Far above what is measured: only a change of order fails on a busy machine.
  assert.ok(cost < 20_000)
})
