// What Jenkins runs around steps, as code under the same transformation: block steps, and
// as much of Declarative Pipeline as the examples use. Building a model takes no step, so
// nothing comes between; then the model is run.

def block(Map scope, Closure body) {
  __open(scope)
  try {
    return body()
  } finally {
    __close()
  }
}

def node(Object label = '', Closure body) { return block([node: "${label}".toString()], body) }
def withEnv(List values, Closure body) { return block([env: values], body) }
def withCredentials(List bindings, Closure body) { return block([credentials: bindings], body) }
def dir(Object path, Closure body) { return block([dir: path.toString()], body) }
def timeout(Map limit, Closure body) { return body() }
def script(Closure body) { return body() }
def parallel(Map branches) { return __parallel(branches) }

def stage(Object name, Closure body) {
  if (__models && __models.last().containsKey('stages')) {
    __models.last().stages << [name: name.toString(), body: body]
    return null
  }
  return block([stage: name.toString()], body)
}

def catchError(Map options = [:], Closure body) {
  try {
    return body()
  } catch (Throwable problem) {
    __settle([result: options.buildResult ?: 'FAILURE', message: problem.message])
  }
}

def describe(Closure body) {
  __models << [:]
  body()
  return __models.pop()
}

def agent(Object label) { __models.last().agent = label instanceof Closure ? describe(label).label : label }
def label(Object text) { __models.last().label = text }
def steps(Closure body) { __models.last().steps = body }
def options(Closure body) { }
def post(Closure body) { __models.last().post = describe(body) }
def always(Closure body) { __models.last().always = body }
def success(Closure body) { __models.last().success = body }
def failure(Closure body) { __models.last().failure = body }
def matrix(Closure body) { __models.last().matrix = describe(body) }
def axes(Closure body) { __models.last().axes = [] ; body() }
def axis(Closure body) { final Map made = describe(body) ; __models.last().axes << made }
def name(Object text) { __models.last().name = text }
def values(Object... texts) { __models.last().values = texts as List }

def stages(Closure body) {
  __models << [stages: []]
  body()
  final List found = __models.pop().stages
  __models.last().stages_ = found
}

def environment(Closure body) {
  final Map made = [:]
  body.delegate = made
  body.resolveStrategy = Closure.DELEGATE_FIRST
  body()
  __models.last().environment = made
}

def pipeline(Closure body) { runModel(describe(body), 'any') }

def runModel(Map model, Object agent) {
  final Closure work = { withPairs(model.environment, { runParts(model) }) }
  if (agent == null || agent == 'none') { work() } else { node(agent, work) }
}

def withPairs(Map pairs, Closure body) {
  if (!pairs) { return body() }
  final List made = []
  for (pair in pairs) { made << "${pair.key}=${pair.value}".toString() }
  return withEnv(made, body)
}

def runParts(Map model) {
  Throwable failed = null
  try {
    if (model.steps) { model.steps.call() }
    for (one in model.stages_) { runStage(one) }
    if (model.matrix) { runMatrix(model.matrix) }
  } catch (Throwable problem) {
    failed = problem
    __settle([result: 'FAILURE', message: problem.message])
  }
  runPost(model.post ?: [:], failed != null)
  if (failed) { throw failed }
}

def runStage(Map given) {
  final Map model = describe(given.body)
  stage(given.name) { runModel(model, model.agent) }
}

def runMatrix(Map model) {
  List cells = [[:]]
  for (axis in model.axes) {
    final List more = []
    for (cell in cells) { for (value in axis.values) { more << cell + [(axis.name): value] } }
    cells = more
  }
  final Map branches = [:]
  for (cell in cells) { branches[cell.toString()] = makeBranch(model, cell) }
  parallel(branches)
}

def makeBranch(Map model, Map cell) {
  return { withPairs(cell, { runModel(model, model.agent) }) }
}

def runPost(Map conditions, boolean isFailed) {
  final List wanted = [conditions.always, isFailed ? conditions.failure : conditions.success]
  for (body in wanted) {
    if (body) {
      try {
        body.call()
      } catch (Throwable problem) {
        __settle([result: 'FAILURE', message: "Error when executing a post condition: ${problem.message}".toString()])
      }
    }
  }
}
