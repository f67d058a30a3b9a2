package notaryhook

import groovy.transform.CompileStatic

/** Delivers what is complete, by the way that is set, while the outbox is this controller's. */
@CompileStatic
class Courier {
    private static final String SET_ASIDE = 'outbox, set aside'
    private static final long REST_MS = 60_000L

    private final Hook hook
    private final Delivery delivery
    private long notBeforeMs = 0

    Courier(Hook hook) {
        this.hook = hook
        Transport transport = transport()
        delivery = transport == null ? null : new Delivery(
            hook.outbox, transport, hook.settings.batchBytes, hook.complaints, hook.&onDelivered)
    }

    private Transport transport() {
        Settings settings = hook.settings
        if (settings.url) {
            return new HttpTransport(settings.url, settings.timeoutSeconds, Hook.VERSION,
                { Home.token(settings.credentialsId) }, { sender() })
        }
        settings.command == null ? null : new CommandTransport(
            settings.command, settings.commandTimeoutSeconds, hook.outbox,
            CommandTransport.allowed(System.getenv(), settings.commandEnvironment))
    }

    private Map<String, String> sender() {
        [outbox: hook.outbox.id, identity: Events.identity(),
         instance: hook.settings.instance ?: Home.instanceOf(Events.url())]
    }

    /** Deliver one batch, unless a failure asked to wait; return when to come back. */
    long deliver() {
        long now = System.currentTimeMillis()
        if (delivery == null) {
            hook.complaints.tell(Delivery.SUBJECT, 'neither url nor command is set: events wait')
            return REST_MS
        }
        // A new event wakes this thread too; the ledger is left alone all the same.
        if (now < notBeforeMs) {
            return notBeforeMs - now
        }
        try {
            hook.outbox.checkOwner(Events.identity(), Events.url())
        } catch (ForeignOutboxException error) {
            hook.complaints.tell(Delivery.SUBJECT, "this outbox is another controller's: ${error.message}. " +
                "Nothing is delivered until ${hook.outbox.folder}/outbox.json is accepted or removed")
            return REST_MS
        }
        Long pause = delivery.step()
        tellSetAside()
        notBeforeMs = System.currentTimeMillis() + (pause ?: 0L)
        pause == null ? REST_MS : pause
    }

    private void tellSetAside() {
        Map<String, Object> count = hook.outbox.count()
        if (count.get('bad') == 0 && count.get('refused') == 0) {
            hook.complaints.settle(SET_ASIDE)
        } else {
            hook.complaints.tell(SET_ASIDE, "${count.get('bad')} events in events/bad and " +
                "${count.get('refused')} in refused are not recorded, or not whole: look at them")
        }
    }
}
