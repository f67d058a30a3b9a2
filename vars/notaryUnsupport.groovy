/**
 * Records assets as UNSUPPORTED; see notaryUnsupport.txt.
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
    name: 'notaryUnsupport',
    command: 'unsupport',
    needs: [['assets', 'image'], 'reason'],
    allows: ['job', 'name', 'attributes', 'attach', 'transport', 'archiveReceipts'],
    unavailable: ['queue', 'unstable', 'fail'],
    defaults: [onFailure: 'fail', onUnavailable: 'queue', archiveReceipts: true],
  ]
}
