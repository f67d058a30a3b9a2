/** The hook's classes that need no Jenkins, compiled from the files that are installed. */
class HookSources {
    private static final GroovyClassLoader LOADER = new GroovyClassLoader(HookSources.classLoader)

    static {
        LOADER.addClasspath(new File(System.getProperty('hook.sources', '../../resources/init.groovy.d')).path)
    }

    static Class load(String name) {
        LOADER.loadClass("notaryhook.${name}")
    }
}
