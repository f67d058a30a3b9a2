/**
 * Fails the build unless a policy allows all assets; see notaryGate.txt.
 *
 * @return a decision for each asset, as plain maps
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
    name: 'notaryGate',
    command: 'gate',
    needs: [['assets', 'image'], 'policy'],
    allows: ['name', 'signers', 'org', 'asOf'],
    unavailable: ['unstable', 'fail'],
    defaults: [onFailure: 'fail', onUnavailable: 'fail'],
  ]
}
