"""Microsoft Graph on the mailboxes of the sandbox's Exchange, as far as calendars go.

An event is an item of the same mailboxes that Exchange Web Services serve; a mailbox lives on one
of the two sides, and may move. `--graph half|all` decides on which; without it Graph is not served
at all.

The endpoints: `graph` is the base URL with `/v1.0`; `login` is the authority, over TLS by a
certificate that the file `login_ca` vouches for. `POST {login}/{tenant}/oauth2/v2.0/token` takes
any tenant, the client `kalender` and its secret `kalender` (`PUT /_control/auth {"graph": …}`
changes the secret) or a client assertion. The sandbox's EWS takes a token as well, where it was
asked for with the scope of that host.

The control API, besides what EWS has of it (`/_control/exchange/…`, `meddle`, `private-touched`,
the journal and the faults, with the neighbours `graph` and `login`):

    GET|PUT /_control/graph/settings    the fields of `settings.Settings`
    PUT     /_control/graph/mailbox?address=A   {"place": "graph"|"ews", "upn": …}
    POST    /_control/graph/moves       mailboxes move, by phases: `kalender.sandbox.moves`
    POST    /_control/graph/churn       {"mailbox": A}: the change keys move though nobody wrote
    PUT     /_control/graph/credentials {"certificate": PEM, "client_id": …}
    DELETE  /_control/graph/tokens      every token in hand is void
    GET     /_control/exchange/mails    what Exchange mailed to attendees

A request in a batch has a row of its own in the journal, whose path starts with `/$batch/ID`, and
counts as `graph.CreateEvent` and so on; `graph` counts requests over HTTP. A fault whose operation
is `Batch` takes the batch; one of another operation takes a request of it, unless its kind
concerns the connection, which is that of the whole batch. The kinds that only Graph has:

    process-then-status  {"status", "code", "retry_after", "twice"}: carried out, and then refused
    omit                 {"position"}: carried out, but its answer is not in the batch's
    cut-within           {"after_parts", "rest": "done"|"lost", "seconds"}: the connection is cut
                         when so many are done; the rest runs on, each so many seconds later
    expired-token        401, and every token in hand is void
    drip                 {"seconds"}: the answer comes in small pieces

`status` has a `code` too, and `item-error` a `status`; without a code the status decides on it.
"""
