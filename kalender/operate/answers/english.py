"""What `kalender why` says, in English."""

from typing import Final

from kalender.operate.answers.words import AnswerWords

ENGLISH: Final = AnswerWords(
    fine="Everything is as it should be.",
    mended_by="To be mended by: ",
    beside="This does not matter here.",
    facts={
        "student": "student",
        "teacher": "teacher",
        "optout": "opted out",
        "listed": "on a list",
        "remove": "all of ours is to be removed",
        "search": "all of ours is to be searched for and removed",
        "forget": "erased",
        "protect": "protected",
        "person": "person",
        "course": "course",
    },
    causes={
        "notification": "notice of a change",
        "poll": "question to TP",
        "resync": "resync",
        "verify": "check of the calendar",
        "asked": "somebody asked for it",
        "wish": "wish of the person",
        "rollout": "roll-out",
        "brake": "a brake was released",
        "recover": "recovery",
        "settings": "settings",
        "time": "its time came",
        "other": "other",
    },
    so={
        "known": "FS knows the person< (number {number})>.",
        "known.by_tp": "TP names the person as a teacher; FS told nothing of them.",
        "course": "{course} is a course that FS or TP told of.",
        "held": "Nothing is held back by a brake.",
        "asked": "FS and TP were asked, and answered.",
        "registered": "On the course as {role}.",
        "status": "The registration counts< (status of the offer: {status})>.",
        "published": "The timetable is published< (TP was asked last {asked_at})>.",
        "placed": "The teaching is for this person< (groups: {groups})>.",
        "event": "TP has the teaching ({events}; of these cancelled: {cancelled}).",
        "window": "It is to come, and near enough.",
        "mailbox": "The person has a mailbox that can be written to.",
        "rollout": "The person is switched on.",
        "wish": "Nobody wished to be left alone.",
        "room": "The calendar has room for it.",
        "pending": "Nothing is still to be done.",
        "written": "It was written {written_at}< (because of: {cause})>.",
        "restored": "Put back {times} times.",
        "readable": "All that TP told of the course could be read.",
    },
    not_so={
        "known": (
            "FS does not know the person.",
            "the student administration registers them in FS",
        ),
        "course": (
            "Neither FS nor TP told of a course {course} that anybody known takes or teaches.",
            (
                "whoever asks looks up the code in FS or TP; a new course comes with its first student "
                "or teacher"
            ),
        ),
        "course.skipped": (
            "{course} is left out on purpose: [tp] skip matches it.",
            "Kalender's operator: take the pattern out of [tp] skip, then kalender resync --all",
        ),
        "held.person": (
            (
                "FS' last answer about the person was empty, and the brake {brake} holds what they had "
                "until FS is asked a second time."
            ),
            (
                "the student administration, where FS is wrong; else Kalender's operator: "
                "kalender brake release {brake} --reason TEXT"
            ),
        ),
        "held.course": (
            (
                "The brake {brake} holds since {since}: TP's last answer lacks {count} events of the "
                "course, and they stay in the calendar."
            ),
            (
                "whoever plans the course, where TP is wrong; else Kalender's operator: "
                "kalender brake release {brake} --reason TEXT"
            ),
        ),
        "held": (
            (
                "The brake {brake} holds< since {since}>: {count} entries of the course should go, and "
                "stay in the calendar<; {reason}>."
            ),
            (
                "Kalender's operator looks whether that is right: kalender brake show, then "
                "kalender brake release {brake} --reason TEXT"
            ),
        ),
        "asked.parked": (
            "FS could not be asked about the person; that is laid aside since {since}<: {error}>.",
            "Kalender's operator mends what it says, then kalender retry {whom}",
        ),
        "asked.course_parked": (
            "TP could not be asked about {key}; that is laid aside since {since}<: {error}>.",
            "Kalender's operator mends what it says, then kalender resync --course {course}",
        ),
        "asked.by_hand": (
            "The {kind} is to be asked about, and {neighbour} is paused by hand<: {error}>.",
            "Kalender's operator: kalender resume {neighbour}",
        ),
        "asked.paused": (
            (
                "The {kind} is to be asked about, and {neighbour} does not answer as it should"
                "<: {error}>."
            ),
            "whoever runs {neighbour}; Kalender asks again by itself",
        ),
        "asked": (
            "The {kind} is to be asked about again, not before {not_before}<: {error}>.",
            "whoever runs FS or TP, if it stays so; Kalender asks again by itself",
        ),
        "registered": (
            "Neither registered for the course nor named as its teacher, this term or the next.",
            (
                "the student registers in Studentweb; teachers are named by whoever plans the course "
                "in TP"
            ),
        ),
        "registered.unreadable": (
            (
                "Neither registered for the course nor named as its teacher; but FS told of the person "
                "({bad}) in a form that could not be read: {field}."
            ),
            "the student administration, or whoever runs FS, mends that field in FS",
        ),
        "status": (
            "The registration does not count yet< (status of the offer: {status})>.",
            "the student administration: a place on the course is offered and accepted in FS",
        ),
        "status.untold": (
            "FS did not tell whether the student has a place on the course.",
            (
                "Kalender's operator: kalender resync --person {whom}; if it stays so, the student "
                "administration"
            ),
        ),
        "published": (
            "The timetable of the term is not published< (TP was asked last {asked_at})>.",
            "whoever plans the course publishes it in TP",
        ),
        "published.unasked": (
            "TP was not asked about the course yet.",
            "nobody needs to, unless no worker runs: kalender status",
        ),
        "placed": (
            (
                "The teaching is for groups in which the person has no place"
                "< (they have one in: {groups})>."
            ),
            "the student administration, or the student in Studentweb, chooses a group",
        ),
        "placed.unreadable": (
            (
                "The teaching is for groups in which the person has no place; but FS told of groups "
                "({bad}) in a form that could not be read: {field}."
            ),
            "the student administration, or whoever runs FS, mends that field in FS",
        ),
        "event": (
            "TP has no such teaching.",
            "whoever plans the course enters it in TP",
        ),
        "event.unsure": (
            "TP has such teaching ({unsure}), and it is not certain whether it takes place.",
            "whoever plans the course says so in TP",
        ),
        "event.unreadable": (
            "TP told of teaching of the course ({bad}) in a form that could not be read<: {field}>.",
            "whoever plans the course, or runs TP, mends that field in TP",
        ),
        "window": (
            "It is over, or further ahead than what is written.",
            "nobody needs to: it comes when it is near, and what is over is not written",
        ),
        "mailbox.none": (
            "FS tells of no address that a calendar could be at.",
            "the student administration, or those who run accounts: the address goes into FS",
        ),
        "mailbox.outside": (
            (
                "The person's address is outside [institution] mail_domains, and is never written to "
                "(calendar {calendar})."
            ),
            (
                "those who run addresses, where FS has a wrong one; else Kalender's operator: add the "
                "domain to mail_domains, then kalender resync --all"
            ),
        ),
        "mailbox.passed_on": (
            "The address belongs to somebody else now (calendar {calendar}).",
            (
                "the student administration, or those who run accounts: the person's own address goes "
                "into FS"
            ),
        ),
        "mailbox.clash": (
            (
                "Another person's calendar< (of {others})> has the same address; this one waits "
                "(calendar {calendar})."
            ),
            (
                "the student administration, or those who run accounts: correct the address of one of "
                "the two in FS"
            ),
        ),
        "mailbox.moved": (
            (
                "The mailbox moved to [exchange.{backend}], which shows {present} of the {entries} "
                "entries to come (calendar {calendar}); nothing is written before more is there."
            ),
            (
                "those who move mailboxes; else Kalender's operator: kalender move accept {whom}, or "
                "kalender move wait {whom}"
            ),
        ),
        "mailbox.emptied": (
            (
                "The mailbox shows {present} of the {entries} entries to come (calendar {calendar}). "
                "It may be about to move: nothing is written until it stayed so for five hours."
            ),
            "nobody; if the person deleted them, Kalender's operator may kalender move accept {whom}",
        ),
        "mailbox.stopped": (
            "The takeover of the calendar {calendar} from a predecessor stopped: {reason}",
            "Kalender's operator: kalender takeover status",
        ),
        "mailbox.lost": (
            "The mailbox that was written to is gone from Exchange (calendar {calendar}).",
            "those who run mailboxes; afterwards kalender retry {whom}",
        ),
        "mailbox.denied": (
            "Exchange does not open the person's mailbox to Kalender (yet) (calendar {calendar}).",
            (
                "those who run mailboxes: Kalender's scope is to cover it, which takes hours to "
                "hold; it is asked again by itself, or at once by kalender retry {whom}"
            ),
        ),
        "mailbox": (
            "Exchange has no mailbox at the person's address (calendar {calendar}).",
            "those who run mailboxes; afterwards kalender retry {whom}",
        ),
        "rollout": (
            "The person is not switched on yet.",
            "Kalender's operator: kalender rollout add person {whom}",
        ),
        "rollout.off": (
            'Nobody is switched on: [rollout] mode is "off".',
            'Kalender\'s operator: set [rollout] mode to "listed" or "all"',
        ),
        "wish": (
            "The person is left alone ({wishes}).",
            "the person themselves; then Kalender's operator: kalender optout remove {whom}",
        ),
        "wish.listed": (
            "The person is left alone by list {lists}.",
            "whoever keeps that list; or Kalender's operator, against the list: kalender optout remove {whom}",
        ),
        "wish.protect": (
            "The person is left alone ({wishes}).",
            (
                "nobody, while the person is to be protected; then Kalender's operator: kalender "
                "protect remove '{whom}'"
            ),
        ),
        "room": (
            (
                "New entries are held by the brake {brake}: the calendar would hold more than [safety] "
                "max_entries."
            ),
            (
                "Kalender's operator looks whether that many are right (kalender brake show), then "
                "kalender brake release {brake} --reason TEXT"
            ),
        ),
        "pending.parked": (
            "Work ({cause}) is laid aside since {since}<: {error}>.",
            "Kalender's operator mends what it says, then kalender retry {whom}",
        ),
        "pending.course_parked": (
            "Work on {key} is laid aside since {since}<: {error}>.",
            "Kalender's operator mends what it says, then kalender resync --course {course}",
        ),
        "pending.by_hand": (
            "Work is still to be done ({cause}), and {neighbour} is paused by hand<: {error}>.",
            "Kalender's operator: kalender resume {neighbour}",
        ),
        "pending.paused": (
            (
                "Work is still to be done ({cause}), and {neighbour} does not answer as it should"
                "<: {error}>."
            ),
            "whoever runs {neighbour}; Kalender goes on by itself",
        ),
        "pending": (
            "Work is still to be done ({cause}), not before {not_before}<: {error}>.",
            "nobody needs to, unless no worker runs: kalender status",
        ),
        "written": (
            "It was not written ({entries} entries were).",
            "Kalender's operator: kalender resync --person {whom}",
        ),
        "written.refused": (
            "Exchange refuses {refused} entries of it for good ({entries} were written).",
            (
                "those who run Exchange look at the mailbox; then Kalender's operator: "
                "kalender resync --person {whom}"
            ),
        ),
        "restored": (
            "The person changed or deleted it so often ({times} times) that it is left so.",
            "the person themselves: it comes back when the teaching changes",
        ),
        "readable": (
            (
                "What there is was written; but TP told of more teaching of the course ({bad}) in a "
                "form that could not be read<: {field}>."
            ),
            "whoever plans the course, or runs TP, mends that field in TP",
        ),
    },
)
