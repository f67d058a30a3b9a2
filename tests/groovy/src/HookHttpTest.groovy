import com.sun.net.httpserver.HttpExchange
import com.sun.net.httpserver.HttpServer
import com.sun.net.httpserver.HttpsConfigurator
import com.sun.net.httpserver.HttpsServer
import groovy.json.JsonSlurperClassic
import java.security.KeyStore
import javax.net.ssl.KeyManagerFactory
import javax.net.ssl.SSLContext
import org.junit.After
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class HookHttpTest {
    @Rule
    public TemporaryFolder temporary = new TemporaryFolder()

    private HttpServer server
    private String scheme = 'http'
    private List<Map> seen = []
    private int status = 200
    private byte[] answer = '{"accepted":2}'.bytes
    private Map<String, String> headers = [:]

    @Before
    void start() {
        server = HttpServer.create(new InetSocketAddress('127.0.0.1', 0), 0)
        server.createContext('/') { HttpExchange exchange ->
            seen << [method: exchange.requestMethod, path: exchange.requestURI.path,
                     headers: exchange.requestHeaders, body: exchange.requestBody.getText('UTF-8')]
            headers.each { name, value -> exchange.responseHeaders.set(name, value) }
            exchange.sendResponseHeaders(status, answer.length ?: -1)
            exchange.responseBody.withStream { it.write(answer) }
        }
        server.start()
    }

    @After
    void stop() {
        server.stop(0)
    }

    private Map send(int timeoutSeconds = 5) {
        HookSources.load('HttpTransport').newInstance(
            "${scheme}://localhost:${server.address.port}/base".toString(), timeoutSeconds, '0.1.0', { 's3cret-token' },
            { [outbox: 'a' * 32, identity: null, instance: 'ci.example.com'] }
        ).send([1L: '{"v":1,"seq":1}\n'.bytes, 2L: '{"v":1,"seq":2,"text":"\\u00e9"}\n'.bytes])
    }

    private Exception failure() {
        try {
            send()
        } catch (IOException error) {
            assert error.class.simpleName == 'DeliveryException'
            assert !error.message.contains('s3cret')
            return error
        }
        null
    }

    @Test
    void 'events are posted as they lie on the disk, with the token in the header only'() {
        assert send() == [accepted: 2]

        Map request = seen.first()
        assert [request.method, request.path] == ['POST', '/base/api/v1/outbox']
        assert request.headers.getFirst('Authorization') == 'Bearer s3cret-token'
        assert request.headers.getFirst('User-Agent') == 'jenkins-notary-hook/0.1.0'
        assert !request.body.contains('s3cret')
        assert new JsonSlurperClassic().parseText(request.body) == [
            outbox: 'a' * 32, identity: null, instance: 'ci.example.com',
            events: [[v: 1, seq: 1], [v: 1, seq: 2, text: 'é']]]
    }

    @Test
    void 'a redirect is not followed: the token goes nowhere else'() {
        status = 307
        headers = [Location: "http://127.0.0.1:${server.address.port}/elsewhere".toString()]
        answer = new byte[0]

        assert failure().message.endsWith('HTTP 307: not a notary service')
        assert seen.size() == 1
    }

    @Test
    void 'only the own JSON of the service can refuse an event'() {
        status = 422
        answer = '{"error":"usage","code":64,"message":"event 2: expected facts"}'.bytes
        assert failure().refused

        [['<html>', 400], ['{"message":"proxy"}', 413], ['{"code":69,"message":"away"}', 503],
         ['{"code":77,"message":"no"}', 403]].each { String text, int code ->
            status = code
            answer = text.bytes
            assert !failure().refused
        }
    }

    @Test
    void 'what the service says about waiting is kept'() {
        status = 429
        headers = ['Retry-After': '17']
        answer = '{"code":69,"message":"busy"}'.bytes
        assert failure().waitSeconds == 17
        status = 401
        headers = [:]
        assert failure().waitSeconds == 300
        status = 500
        assert failure().waitSeconds == null
    }

    @Test
    void 'an answer that is no JSON or no object is no success'() {
        ['', '<html>', '[1]', 'null', '{"accepted":2'].each { String text ->
            answer = text.bytes
            assert failure().message.endsWith('HTTP 200: not a notary service')
        }
    }

    @Test
    void 'an answer without an end is cut off'() {
        answer = new byte[(8 << 20) + 1]
        assert failure().message.contains('answer of more than')
    }

    @Test
    void 'a certificate that nobody vouches for gets neither events nor token'() {
        stop()
        scheme = 'https'
        File keys = new File(temporary.root, 'keys.p12')
        Process made = ["${System.getProperty('java.home')}/bin/keytool", '-genkeypair', '-keystore', keys.path,
            '-storetype', 'PKCS12', '-storepass', 'changeit', '-keyalg', 'EC', '-dname', 'CN=localhost',
            '-ext', 'SAN=dns:localhost'].execute()
        assert made.waitFor() == 0, made.err.text
        KeyStore store = KeyStore.getInstance('PKCS12')
        keys.withInputStream { store.load(it, 'changeit'.toCharArray()) }
        KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.defaultAlgorithm)
        managers.init(store, 'changeit'.toCharArray())
        SSLContext context = SSLContext.getInstance('TLS')
        context.init(managers.keyManagers, null, null)
        server = HttpsServer.create(new InetSocketAddress('127.0.0.1', 0), 0)
        server.httpsConfigurator = new HttpsConfigurator(context)
        server.createContext('/') { HttpExchange exchange -> seen << [:] }
        server.start()

        assert failure().message.contains('no answer: SSLHandshakeException')
        assert seen == []
    }

    @Test
    void 'nobody there is a failure to wait for'() {
        stop()
        Exception error = failure()
        assert error.message.contains('no answer: ConnectException')
        assert !error.refused
    }
}
