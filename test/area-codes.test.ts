import assert from 'node:assert/strict'
import { test } from 'node:test'
import { milesBetween, sharesOverlay } from '../src/core/area-codes.ts'

test('917 overlays both 212 and 718, which do not overlay each other', () => {
  assert.ok(sharesOverlay('917', '212') && sharesOverlay('212', '917'))
  assert.ok(sharesOverlay('917', '718') && sharesOverlay('718', '917'))
  assert.ok(!sharesOverlay('212', '718') && !sharesOverlay('718', '212'))
  assert.ok(!sharesOverlay('212', '212') && !sharesOverlay('000', '212'))
})

test('an overlay that only one side names counts in both directions', () => {
  assert.ok(sharesOverlay('942', '416') && sharesOverlay('416', '942'))
  assert.ok(sharesOverlay('689', '321') && sharesOverlay('321', '689'))
})

test('New York is near Jersey City, and far from Philadelphia and Los Angeles', () => {
  const miles = (a: string, b: string) => milesBetween(a, b) ?? Number.NaN
  assert.ok(miles('212', '201') > 5 && miles('212', '201') < 15)
  assert.ok(miles('212', '215') > 50 && miles('212', '215') < 90)
  assert.ok(miles('212', '213') > 2_400 && miles('212', '213') < 2_500)
  assert.equal(miles('212', '213'), miles('213', '212'))
  assert.equal(miles('212', '212'), 0)
  assert.ok(miles('671', '670') < 150, 'Guam and the Northern Marianas')
  assert.equal(milesBetween('212', '242'), undefined)
  assert.equal(milesBetween('000', '212'), undefined)
})
