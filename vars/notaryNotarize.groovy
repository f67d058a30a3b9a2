/**
 * Records assets as TRUSTED; see notaryNotarize.txt.
 *
 * @return what was recorded, one plain map an asset
 */
def call(Map args = [:]) {
  return notaryRun(describe(), args)
}

def call(Map args, Object assets) {
  return call(args + [assets: assets])
}

def call(Object assets) {
  return call(assets: assets)
}

/** Says what this step is; see notaryRun. */
Map describe() {
  return [
    name: 'notaryNotarize',
    command: 'notarize',
    needs: [['assets', 'image']],
    allows: [
      'digestFile', 'job', 'name', 'attributes', 'attach', 'reason', 'supersede', 'transport', 'archiveReceipts',
    ],
    unavailable: ['queue', 'unstable', 'fail'],
    defaults: [onFailure: 'fail', onUnavailable: 'queue', archiveReceipts: true],
  ]
}
