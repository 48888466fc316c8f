// Limits by address: every way to write an address of one /64 is one key, and no other address has it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressKey } from '../../../ts/gateway/guard/address-key.ts'

test('addresses', () => {
  for (const [address, key] of [
    ['', ''],
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['2001:DB8::1', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0000:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8::1:5:6:7:8', '2001:db8:0:1::/64'],
    ['2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['2001:db8:1:2:3::8', '2001:db8:1:2::/64'],
    ['::1:2:3:4:5:6:7', '0:1:2:3::/64'],
    ['fe80::1', 'fe80:0:0:0::/64'],
  ] as const) {
    assert.equal(addressKey(address), key, address)
  }
})
