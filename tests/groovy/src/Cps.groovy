import com.cloudbees.groovy.cps.Continuable
import com.cloudbees.groovy.cps.Outcome
import com.cloudbees.groovy.cps.SerializableScript
import groovy.transform.CompileStatic

/** A step that the program asks for and waits for. */
@CompileStatic
class StepCall implements Serializable {
  private static final long serialVersionUID = 1L
  String name
  List args

  static Object plain(Object value) {
    if (value instanceof GString) { return value.toString() }
    if (value instanceof Map) {
      Map made = new LinkedHashMap()
      for (Map.Entry entry : ((Map) value).entrySet()) { made.put(plain(entry.key), plain(entry.value)) }
      return made
    }
    if (value instanceof List) {
      List made = new ArrayList()
      for (Object one : (List) value) { made.add(plain(one)) }
      return made
    }
    return value
  }
}

/**
 * The base of every script: a name that is no method of it is a library step (a variable
 * that can be called), a block step of `Prelude.groovy`, or a step of Jenkins, at which the
 * program is suspended.
 */
@CompileStatic
abstract class StepScript extends SerializableScript {
  @Override Object invokeMethod(String name, Object args) {
    Object[] given = args instanceof Object[] ? (Object[]) args : [args] as Object[]
    Map variables = binding.variables
    if (variables.get(name) instanceof Script) { return ((Script) variables.get(name)).invokeMethod('call', given) }
    if (variables.get(name) instanceof Closure) { return ((Closure) variables.get(name)).call(given) }
    Script prelude = (Script) variables.get('__prelude')
    if (prelude != null && !prelude.is(this) && Steps.isBlock(name, given)) { return prelude.invokeMethod(name, given) }
    if (!metaClass.respondsTo(this, name, given).isEmpty()) { return super.invokeMethod(name, args) }
    if (!Steps.isKnown(name)) { throw new MissingMethodException(name, getClass(), given) }
    List plain = new ArrayList()
    for (Object one : given) { plain.add(StepCall.plain(one)) }
    return Continuable.suspend(new StepCall(name: name, args: plain))
  }
}

/**
 * Iterators of lists and maps that can be saved. Jenkins has a category of this effect in
 * workflow-cps (JENKINS-27421), which groovy-cps alone has not.
 */
@CompileStatic
class SavedIterators {
  static class Itr implements Iterator, Serializable {
    private static final long serialVersionUID = 1L
    final List items
    int place = 0

    Itr(List items) { this.items = items }
    boolean hasNext() { return place < items.size() }
    Object next() { return items.get(place++) }
    void remove() { throw new UnsupportedOperationException() }
  }

  static Iterator iterator(List items) { return new Itr(new ArrayList(items)) }

  static Iterator iterator(Map map) {
    List items = new ArrayList()
    for (Map.Entry entry : (Set<Map.Entry>) map.entrySet()) {
      items.add(new AbstractMap.SimpleImmutableEntry(entry.key, entry.value))
    }
    return new Itr(items)
  }
}

/** One line of execution: the pipeline, or a branch of `parallel`. */
@CompileStatic
class Flow implements Serializable {
  private static final long serialVersionUID = 1L
  Continuable program
  /** Environment, folder and node of the blocks that are open, the innermost last. */
  List<Map> scopes = []
  Object value
  Throwable thrown
  Object result
  Throwable failure
  boolean isDone = false
  /** Branches that this one waits for, by name, in order. */
  Map<String, Flow> branches = [:]

  /** Runs until the next step; returns it, or null at the end. */
  StepCall advance() {
    Outcome next = new Outcome(value, thrown)
    value = null
    thrown = null
    Outcome got = program.run0(next, Continuable.categories + [(Class) SavedIterators])
    if (!program.isResumable()) {
      isDone = true
      try { result = got.replay() } catch (Throwable problem) { failure = problem }
      return null
    }
    return (StepCall) got.replay()
  }
}

/** Writes the whole program and reads it back, as Jenkins does when it restarts. */
@CompileStatic
class Saved {
  static Object roundTrip(Object graph, ClassLoader loader) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream()
    ObjectOutputStream out = new ObjectOutputStream(bytes)
    out.writeObject(graph)
    out.close()
    return new LoadingStream(new ByteArrayInputStream(bytes.toByteArray()), loader).readObject()
  }
}

@CompileStatic
class LoadingStream extends ObjectInputStream {
  private final ClassLoader loader

  LoadingStream(InputStream input, ClassLoader loader) {
    super(input)
    this.loader = loader
  }

  @Override protected Class<?> resolveClass(ObjectStreamClass description) {
    try {
      return Class.forName(description.name, false, loader)
    } catch (ClassNotFoundException primitive) {
      return super.resolveClass(description)
    }
  }
}
