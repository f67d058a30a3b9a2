/**
 * Fails the build unless all assets are TRUSTED; see notaryAuthenticate.txt.
 *
 * @return the ledger's word, one plain map an asset
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
    name: 'notaryAuthenticate',
    command: 'authenticate',
    needs: [['assets', 'image']],
    allows: ['name', 'signers', 'org', 'asOf', 'strict'],
    unavailable: ['unstable', 'fail'],
    defaults: [onFailure: 'fail', onUnavailable: 'fail'],
  ]
}
