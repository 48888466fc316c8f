// Plugins in Luau as the worker has them of the addon: what loading refuses, calls that are stopped, that fail and that use up
// their memory, and what one call costs. What a plugin may do is pinned by native/extend and by the contract suite; what a
// call's flags and verdict mean, by native-plugins.test.ts.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RequestHeads } from '../../ts/shared/native-heads.ts'
import { PluginCall, PluginVerdict, type LuaPluginOptions } from '../../ts/shared/native-plugins.ts'
import { native, type NativeExchanges } from '../../ts/shared/native.ts'
import { hookNames } from '../../ts/shared/plugin-hooks.ts'
import { callCost } from '../helpers/call-cost.ts'

interface Made {
  readonly heads: RequestHeads
  readonly exchanges: NativeExchanges
  readonly load: (text: string, options?: Partial<LuaPluginOptions>) => number
  /** Calls `request` for a request with x-probe in slot 0. */
  readonly call: (plugin: number, probe: string, flags?: number) => number
}

const requestHook = hookNames.indexOf('request')

function make(): Made {
  const heads = new (native().RequestHeads)({ slots: 4, maxHeadBytes: 16_384, maxHeaders: 100 })
  const exchanges = new (native().Exchanges)(heads.id)
  const usual = { file: 'plugin.lua', config: '{"greeting":"hello"}', hooks: [requestHook], memoryBytes: 32 << 20 }
  return {
    heads,
    exchanges,
    load: (text, options = {}) => exchanges.loadLuaPlugin({ ...usual, text, ...options }),
    call: (plugin, probe, flags = 0) => {
      assert.equal(heads.takeText(0, `GET / HTTP/1.1\r\nHost: a\r\nX-Probe: ${probe}\r\n\r\n`), 0)
      return exchanges.callPlugin(plugin, requestHook | flags, 0, 100, 'route')
    },
  }
}

test('what cannot be loaded says why', () => {
  const { load } = make()
  const unfinished = 'plugin.lua:2: Incomplete statement: expected assignment or a function call'
  assert.equal(native().luauProblem('plugin.lua', "error('it ran')"), null)
  assert.equal(native().luauProblem('plugin.lua', '\nx'), unfinished)
  assert.throws(() => load('\nx'), new Error(unfinished))
  assert.throws(() => load('return function()\nerror("no")\nend'), /^Error: plugin\.lua:2: no\n[^]*plugin\.lua:2/)
  assert.throws(() => load('return function() return {} end'), /^Error: plugin\.yaml names the hook request/)
  assert.throws(() => load('return', { config: '' }), /^Error: the configuration is no JSON/)
  assert.throws(() => load('return', { hooks: [6] }), TypeError)
})

test('calls that are stopped, that fail, and that use up their memory', () => {
  const { exchanges, heads, load, call } = make()
  const plugin = load(`local calls = 0
    return function(config, host)
      print("made", config.greeting)
      return { request = function(request)
        calls += 1
        local probe = request.headers:get("x-probe")
        if probe == "loop" then while true do end end
        if probe == "hog" then string.rep("x", 1e9) end
        if probe == "fail" then request:fail("as asked") end
        if probe == "edit" then request.headers:set("x-calls", calls) end
        if probe == "throw" then error("thrown") end
      end }
    end`)
  assert.deepEqual(exchanges.pluginLines(plugin), ['info', 'made\thello'])
  assert.equal(call(plugin, 'loop'), PluginVerdict.failed)
  assert.equal(exchanges.pluginSaid().cause, 'deadline')
  assert.equal(call(plugin, 'fail'), PluginVerdict.failed)
  const { cause, reason } = exchanges.pluginSaid()
  assert.deepEqual([cause, reason], ['error', 'as asked'])
  assert.equal(call(plugin, 'throw'), PluginVerdict.failed)
  assert.match(exchanges.pluginSaid().reason, /^plugin\.lua:11: thrown\n[^]*plugin\.lua:11/)
  assert.equal(call(plugin, 'edit'), 0)
  assert.equal(heads.header(0, 'x-calls'), '4', 'failures have not cost what it remembers')
  assert.equal(call(plugin, 'edit', PluginCall.tentative), PluginVerdict.said)
  assert.deepEqual([exchanges.pluginSaid().texts, heads.header(0, 'x-calls')], [['x-calls', '5'], undefined])
  assert.equal(call(plugin, 'hog'), PluginVerdict.failed)
  assert.equal(exchanges.pluginSaid().cause, 'memory')
  assert.equal(call(plugin, 'edit'), PluginVerdict.logged, 'it was made anew')
  assert.deepEqual([exchanges.pluginLines(plugin), heads.header(0, 'x-calls')], [['info', 'made\thello'], '1'])
  assert.deepEqual(exchanges.dropPlugin(plugin), [])
  assert.throws(() => call(plugin, 'edit'), TypeError)
})

test('what a call costs', t => {
  const { exchanges, heads, load } = make()
  const example = join(import.meta.dirname, '..', '..', 'plugins', 'examples', 'greeting-lua', 'plugin.lua')
  const cost = callCost(exchanges, heads, load(readFileSync(example, 'utf8')))
  assert.deepEqual([heads.header(0, 'x-greeting'), heads.header(0, 'x-internal')], ['hello', undefined])
  t.diagnostic(`${cost.toFixed(0)} ns a call`)
  // Far above what is measured: only a change of order fails on a busy machine.
  assert.ok(cost < 20_000)
})
