import org.junit.Test

class HookPatternsTest {
    private static boolean covers(List<String> included, List<String> excluded, String name) {
        HookSources.load('Patterns').newInstance(included, excluded).covers(name)
    }

    @Test
    void 'a pattern covers what it matches and all below it'() {
        [['payments', 'payments'], ['payments', 'payments/api/main'], ['payments/*', 'payments/api/main'],
         ['*', 'a/b/c'], ['**', 'a'], ['**/main', 'payments/api/main'], ['pay*', 'payments/api'],
         ['a/**/d', 'a/d'], ['a/**/d', 'a/b/c/d'], ['*-nightly', 'x-nightly'], ['**', 'feature%2Fx'],
        ].each { String pattern, String name ->
            assert covers([pattern], [], name), "${pattern} should cover ${name}"
        }
    }

    @Test
    void 'a pattern covers no name that only begins like it'() {
        [['payments', 'payments-evil'], ['payments/*', 'payments'], ['a/*/c', 'a/b/d'], ['a/b', 'a'],
         ['**/main', 'payments/api/mainly'], ['p*s', 'payment'],
        ].each { String pattern, String name ->
            assert !covers([pattern], [], name), "${pattern} should not cover ${name}"
        }
    }

    @Test
    void 'an exclusion goes before an inclusion'() {
        assert covers(['**'], ['sandbox'], 'payments/api')
        assert !covers(['**'], ['sandbox'], 'sandbox/x')
        assert !covers([], [], 'payments')
    }

    @Test(timeout = 5000L)
    void 'a hostile pattern takes no long time'() {
        assert !covers(['*a' * 60 + 'b'], [], 'a' * 250)
        assert !covers([(['**', '*a'] * 30).join('/') + '/b'], [], (['a'] * 60).join('/'))
    }
}
