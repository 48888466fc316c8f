// Pins how names of peers become addresses: literals as they are, the hosts file, DNS with its TTL; an answer that
// changes reaches the workers as a new plan; a lookup that fails keeps what was known and stops nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Names } from '../../ts/control/dns.ts'
import { createLog } from '../../ts/shared/log.ts'
import { dnsServer, type Zone } from './fixture/dns-server.ts'
import { controlOf, next, servedVersions } from './fixture/harness.ts'
import { planOf, upstreamOf } from './fixture/plans.ts'

const quiet = createLog('test', { write: () => {} })
const addresses = (plan: { upstreams: readonly { endpoints: readonly { ip: string | null }[] }[] }) =>
  plan.upstreams.flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip))

test('a plan of literals is passed on untouched', async () => {
  const names = new Names({ log: quiet, onChange: () => assert.fail('nothing to change') })
  const plan = planOf({ upstreams: [upstreamOf('a', '127.0.0.1', '::1')] })
  await names.learn(plan, 1000)
  assert.equal(names.applyTo(plan), plan)
  names.close()
})

test('localhost comes from this machine, not from DNS', async t => {
  const server = await dnsServer(t, { localhost: { addresses: ['192.0.2.1'], ttl: 60 } })
  const names = new Names({ log: quiet, onChange: () => {}, servers: [server] })
  const plan = planOf({ upstreams: [upstreamOf('a', 'localhost')] })
  await names.learn(plan, 5000)
  assert.ok(addresses(names.applyTo(plan)).includes('127.0.0.1'))
  assert.ok(!addresses(names.applyTo(plan)).includes('192.0.2.1'))
  names.close()
})

test('a name of several addresses becomes several endpoints, in an order of its own', async t => {
  const zone: Zone = { 'api.example': { addresses: ['192.0.2.9', '192.0.2.1'], ttl: 60 } }
  const names = new Names({ log: quiet, onChange: () => {}, servers: [await dnsServer(t, zone)] })
  const plan = planOf({ upstreams: [upstreamOf('a', 'API.example', '127.0.0.1')] })
  await names.learn(plan, 5000)
  const applied = names.applyTo(plan)
  assert.deepEqual(addresses(applied), ['192.0.2.1', '192.0.2.9', '127.0.0.1'])
  assert.deepEqual(
    applied.upstreams[0]!.endpoints.map(({ host }) => host),
    ['API.example', 'API.example', '127.0.0.1'],
  )
  assert.notEqual(applied.version, plan.version)
  assert.ok(applied.version.startsWith(plan.version))
  names.close()
})

test('a server that does not answer holds nothing up beyond the wait', async () => {
  // TEST-NET-1: nobody is there.
  const names = new Names({ log: quiet, onChange: () => {}, servers: ['192.0.2.1'] })
  const plan = planOf({ upstreams: [upstreamOf('a', 'silent.example')] })
  await names.learn(plan, 50)
  assert.deepEqual(addresses(names.applyTo(plan)), [null])
  names.close()
})

test('a name that is not found leaves its endpoint down and the gateway running; once found, workers get it', async t => {
  const zone: Zone = {}
  const dnsServers = [await dnsServer(t, zone)]
  const harness = controlOf(t, planOf({ workers: 2, upstreams: [upstreamOf('a', 'late.polygate-test')] }), {
    dnsServers,
  })
  const { control, logged } = harness
  await control.start()
  assert.deepEqual(addresses(control.plan), [null])
  assert.equal(logged.filter(line => line.includes('does not resolve')).length, 1)
  const pushed = next<[string]>(control, 'addresses')
  zone['late.polygate-test'] = { addresses: ['192.0.2.1'], ttl: 1 }
  const [version] = await pushed
  assert.deepEqual(addresses(control.plan), ['192.0.2.1'])
  assert.deepEqual(await servedVersions(harness), [version, version])
})

test('an answer is asked for again at its TTL; a changed one is pushed, a failing one keeps the last', async t => {
  const zone: Zone = { 'api.polygate-test': { addresses: ['192.0.2.1'], ttl: 1 } }
  const dnsServers = [await dnsServer(t, zone)]
  const harness = controlOf(t, planOf({ upstreams: [upstreamOf('a', 'api.polygate-test')] }), { dnsServers })
  const { control, logged } = harness
  await control.start()
  assert.deepEqual(addresses(control.plan), ['192.0.2.1'])
  const configured = control.plan.version

  let pushed = next<[string]>(control, 'addresses')
  zone['api.polygate-test'] = { addresses: ['192.0.2.2', '192.0.2.3'], ttl: 1 }
  const [version] = await pushed
  assert.notEqual(version, configured)
  assert.deepEqual(addresses(control.plan), ['192.0.2.2', '192.0.2.3'])
  assert.deepEqual(await servedVersions(harness), [version])

  // It fails, then comes back with something else: what is pushed next is that, and never an empty list between.
  const seen: (string | null)[][] = []
  control.on('addresses', () => seen.push(addresses(control.plan)))
  zone['api.polygate-test'] = 'fail'
  await new Promise<void>(resolve => {
    const push = logged.push.bind(logged)
    logged.push = (...lines) => {
      if (lines.some(line => line.includes('does not resolve') && line.includes('192.0.2.2'))) resolve()
      return push(...lines)
    }
  })
  assert.deepEqual(addresses(control.plan), ['192.0.2.2', '192.0.2.3'])
  pushed = next<[string]>(control, 'addresses')
  zone['api.polygate-test'] = { addresses: ['192.0.2.4'], ttl: 300 }
  await pushed
  assert.deepEqual(seen, [['192.0.2.4']])
})
