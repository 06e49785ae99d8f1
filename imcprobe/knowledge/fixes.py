"""Builds of the Internet Mail Connector and Service that are no release: fixes, and what else was seen.

`service_pack` is the one that a build follows. `source` is an article, or says where the build was seen.
"""

from __future__ import annotations

from imcprobe.model import Build, Kind, Release

# fmt: off
FIXES: tuple[Release, ...] = (
    Release("Exchange Server 4.0, before Service Pack 1", "4.0", None, Build(4, 0, 838, 5), Kind.OBSERVED, "mail archive, April 1996", "Made on the way to SP1: not SP1 itself."),
    Release("Exchange Server 4.0a Service Pack 5 with later fixes", "4.0a", "SP5", Build(4, 0, 997, 1), Kind.HOTFIX, "Q189270", "Decodes encapsulated delivery receipts of 5.0 and 5.5."),
    Release("Exchange Server 5.0", "5.0", None, Build(5, 0, 1457, 3), Kind.OBSERVED, "Q166577", "Seen in an X-Mailer header of May 1997; the table has 1457.10, Q164845 1457.11."),
    Release("Exchange Server 5.0, before Service Pack 1", "5.0", None, Build(5, 0, 1458, 30), Kind.OBSERVED, "mail archive", "Seen once, in a parody: listed so that it is not taken for SP1."),
    Release("Exchange Server 5.0, after Service Pack 1, before Service Pack 2", "5.0", "SP1", Build(5, 0, 1459, 73), Kind.HOTFIX, "Q193534", "Medium protocol logging no longer logs whole messages."),
    Release("Exchange Server 5.0 Service Pack 2 with later fixes", "5.0", "SP2", Build(5, 0, 1461, 6), Kind.THRESHOLD, "Q189270", "First 5.0 build that encapsulates recipient data in delivery receipts."),
    Release("Exchange Server 5.0 Service Pack 2 with later fixes", "5.0", "SP2", Build(5, 0, 1461, 28), Kind.OBSERVED, "mail archive, March 2001", "Seen in mail headers; Microsoft published a post-SP2 package for the 5.0 IMS."),
    Release("Exchange Server 5.0 Service Pack 2 with later fixes", "5.0", "SP2", Build(5, 0, 1461, 69), Kind.HOTFIX, "Q194896", "Crash in CAdrList::hrSetProp."),
    Release("Exchange Server 5.5, before release", "5.5", None, Build(5, 5, 1664, 3), Kind.PRERELEASE, "Q173656", "Greeting printed in an article on AUTH LOGIN: a build from before the release."),
    Release("Exchange Server 5.5, before Service Pack 1", "5.5", None, Build(5, 5, 2186, 0), Kind.THRESHOLD, "Q189270", "First 5.5 build that encapsulates recipient data in delivery receipts."),
    Release("Exchange Server 5.5, before Service Pack 1", "5.5", None, Build(5, 5, 2232, 0), Kind.DOC_EXAMPLE, "Q194131", "Greeting printed in an article: of the SP1 family, not the released SP1 (2232.9)."),
    Release("Exchange Server 5.5, after Service Pack 1, before Service Pack 2", "5.5", "SP1", Build(5, 5, 2387, 0), Kind.HOTFIX, "Q192939", "Messages are kept when auto-forward is false (event 4123)."),
    Release("Exchange Server 5.5, after Service Pack 1, before Service Pack 2", "5.5", "SP1", Build(5, 5, 2394, 0), Kind.HOTFIX, "Q195201", "AUTH NTLM between 5.0 and 5.5."),
    Release("Exchange Server 5.5, after Service Pack 1, before Service Pack 2", "5.5", "SP1", Build(5, 5, 2407, 0), Kind.HOTFIX, "Q192982", "Auto-forwarding while auto-replies are off."),
    Release("Exchange Server 5.5, after Service Pack 1, before Service Pack 2", "5.5", "SP1", Build(5, 5, 2417, 0), Kind.HOTFIX, "Q193639", "Stop with event 4116."),
    Release("Exchange Server 5.5, after Service Pack 1, before Service Pack 2", "5.5", "SP1", Build(5, 5, 2423, 0), Kind.HOTFIX, "Q194128", "SP1 upgrade on a cluster."),
    Release("Exchange Server 5.5, after Service Pack 1, before Service Pack 2", "5.5", "SP1", Build(5, 5, 2424, 0), Kind.HOTFIX, "Q195969", "Relay permission per domain."),
    Release("Exchange Server 5.5, after Service Pack 1, before Service Pack 2", "5.5", "SP1", Build(5, 5, 2429, 0), Kind.HOTFIX, "Q197142", "Stop when a routed EHLO session breaks."),
    Release("Exchange Server 5.5, after Service Pack 1, before Service Pack 2", "5.5", "SP1", Build(5, 5, 2436, 0), Kind.HOTFIX, "Q195583", "Inbox rules on Cc recipients; needs store 2436.0 too."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2516), Kind.HOTFIX, "Q214640", "Crash with SSL and many recipients. The article prints no revision."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2524, 0), Kind.HOTFIX, "Q214407", "Crash on outbound mail."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2539, 1), Kind.HOTFIX, "Q216162", "Delivery receipts can be suppressed."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2558, 0), Kind.HOTFIX, "Q217195", "Wrong administrator notification."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2571, 0), Kind.HOTFIX, "Q222508", "Plain text sent as HTML and plain text."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2580, 0), Kind.HOTFIX, "Q223385", "Wrong routing with directory replication."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2591, 0), Kind.HOTFIX, "Q230051, Q231303", "Dial-up connection stops; limit on the size of outbound mail."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2594, 0), Kind.HOTFIX, "Q228998, Q230288", "Trailing blank in a domain name; three-byte reason codes in reports."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2637, 0), Kind.HOTFIX, "Q235533", "Crash on refreshing the MTS-OUT queue."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2638, 0), Kind.HOTFIX, "Q235627", "AUTH LOGIN must be Base64."),
    Release("Exchange Server 5.5, after Service Pack 2, before Service Pack 3", "5.5", "SP2", Build(5, 5, 2650, 1), Kind.HOTFIX, "Q237927", "MS99-027, CVE-1999-0682: encapsulated addresses were relayed in spite of restrictions."),
    Release("Exchange Server 5.5, after Service Pack 3, before Service Pack 4", "5.5", "SP3", Build(5, 5, 2651, 58), Kind.HOTFIX, "Q246889", "First set of fixes after SP3, December 1999."),
    Release("Exchange Server 5.5, after Service Pack 3, before Service Pack 4", "5.5", "SP3", Build(5, 5, 2652, 39), Kind.HOTFIX, "Q246889", "Second set of fixes after SP3, May 2000."),
    Release("Exchange Server 5.5, after Service Pack 3, before Service Pack 4", "5.5", "SP3", Build(5, 5, 2652, 78), Kind.HOTFIX, "Q246889", "Third set of fixes after SP3, July 2000: relaying in spite of restrictions (Q264330)."),
    Release("Exchange Server 5.5 Service Pack 4", "5.5", "SP4", Build(5, 5, 2653, 19), Kind.OBSERVED, "Q320636", "What an SP4 service writes into headers of outgoing mail; never seen in a greeting, which says 2653.13."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2654, 14), Kind.HOTFIX, "Q272672, Q289258", "No report for a message with more than 32,766 recipients."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2654, 25), Kind.HOTFIX, "Q279320, Q289258", "Good pickup messages moved to Bad Mail."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2654, 52), Kind.HOTFIX, "Q285023, Q289258", "DNS time to live is honoured."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2654, 89), Kind.OBSERVED, "mail archives, 2002 to 2004"),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2655, 15), Kind.HOTFIX, "Q301690, Q289258", "A corrupted header crashes the service."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2655, 51), Kind.HOTFIX, "Q309685", "Crash in ConnectToNextMXHost."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2655, 55), Kind.HOTFIX, "Q289258", "Named in the list of April 2002, without an article of its own."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2656, 59), Kind.HOTFIX, "MS02-037, Q326322", "CVE-2002-0698: buffer overrun in the EHLO reply. Requires SP4, so it proves SP4."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2657, 72), Kind.OBSERVED, "mail archives, 2004 to 2007", "No source ties it to a bulletin."),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2658, 3), Kind.OBSERVED, "mail archive, January 2006"),
    Release("Exchange Server 5.5 Service Pack 4 with later fixes", "5.5", "SP4", Build(5, 5, 2658, 27), Kind.OBSERVED, "mail archives, 2005", "The highest build found; KB 884874 is a later fix whose build is not known."),
)
# fmt: on

# Exact in spite of its kind: sources disagree on the revision of the first 5.0 (see the row).
DISPUTED = frozenset({(1457, 3)})
# Means its release in a header of outgoing mail, and nothing certain in a greeting (see the row).
HEADER_ONLY = frozenset({(2653, 19)})
