package notaryhook

import groovy.json.JsonOutput
import groovy.transform.CompileStatic

/**
 * Deliver events to a notary service: {@code POST URL/api/v1/outbox}.
 *
 * <p>The certificate is checked by the JVM. No redirect is followed: the token goes to the
 * configured address only. Neither token nor events are ever in a message.
 */
@CompileStatic
class HttpTransport implements Transport {
    private static final int MAX_ANSWER_BYTES = 8 << 20

    private final URL url
    private final int timeoutMs
    private final String version
    private final Closure<String> token
    private final Closure<Map<String, String>> sender

    /**
     * @param token returns the bearer token, looked up anew for every batch
     * @param sender returns [outbox:, identity:, instance:]
     */
    HttpTransport(String url, int timeoutSeconds, String version,
            Closure<String> token, Closure<Map<String, String>> sender) {
        this.url = new URL(url + '/api/v1/outbox')
        this.timeoutMs = timeoutSeconds * 1_000
        this.version = version
        this.token = token
        this.sender = sender
    }

    @Override
    Map<String, Object> send(Map<Long, byte[]> batch) {
        HttpURLConnection connection = (HttpURLConnection) url.openConnection()
        try {
            post(connection, body(batch))
            return read(connection)
        } catch (DeliveryException failure) {
            throw failure
        } catch (IOException error) {
            throw new DeliveryException("${url}: no answer: ${error.class.simpleName}: ${error.message}")
        } finally {
            connection.disconnect()
        }
    }

    private byte[] body(Map<Long, byte[]> batch) {
        // Each event goes as it lies on the disk: it is JSON already.
        String head = JsonOutput.toJson(sender.call())
        ByteArrayOutputStream body = new ByteArrayOutputStream()
        body.write((head.substring(0, head.length() - 1) + ',"events":[').getBytes('UTF-8'))
        batch.values().eachWithIndex { byte[] event, int i ->
            if (i > 0) {
                body.write((int) ((char) ','))
            }
            body.write(event)
        }
        body.write(']}'.getBytes('UTF-8'))
        body.toByteArray()
    }

    private void post(HttpURLConnection connection, byte[] body) {
        connection.requestMethod = 'POST'
        connection.instanceFollowRedirects = false
        connection.connectTimeout = timeoutMs
        connection.readTimeout = timeoutMs
        connection.doOutput = true
        connection.setFixedLengthStreamingMode(body.length)
        connection.setRequestProperty('Authorization', "Bearer ${token.call()}")
        connection.setRequestProperty('Content-Type', 'application/json')
        connection.setRequestProperty('Accept', 'application/json')
        connection.setRequestProperty('User-Agent', "jenkins-notary-hook/${version}")
        connection.outputStream.withStream { OutputStream stream -> stream.write(body) }
    }

    private Map<String, Object> read(HttpURLConnection connection) {
        int status = connection.responseCode
        Map<String, Object> answer = Json.decode(readAnswer(connection, status))
        if (status == 200 && answer != null) {
            return answer
        }
        // Only the service's own JSON can say that an event is at fault: a proxy that
        // answers 400 to everything must not empty the outbox.
        boolean refused = status in [400, 413, 422] && answer?.get('code') instanceof Number
        String words = answer == null ? 'not a notary service' : "${answer.get('message')}".take(500)
        throw new DeliveryException(
            "${url}: HTTP ${status}: ${words}", refused, askedWait(connection, status))
    }

    private static byte[] readAnswer(HttpURLConnection connection, int status) {
        InputStream stream = status < 400 ? connection.inputStream : connection.errorStream
        if (stream == null) {
            return new byte[0]
        }
        ByteArrayOutputStream answer = new ByteArrayOutputStream()
        byte[] block = new byte[1 << 14]
        int count
        while ((count = stream.read(block)) >= 0) {
            answer.write(block, 0, count)
            if (answer.size() > MAX_ANSWER_BYTES) {
                throw new IOException("answer of more than ${MAX_ANSWER_BYTES} bytes")
            }
        }
        answer.toByteArray()
    }

    /** Return how long to wait: what the service says, long where a retry cannot help. */
    private static Integer askedWait(HttpURLConnection connection, int status) {
        String asked = connection.getHeaderField('Retry-After')
        if (asked != null && asked.isInteger()) {
            return asked.toInteger()
        }
        status in [401, 403, 404] ? Delivery.MAX_WAIT_SECONDS : null
    }
}
