"""Domains under which anybody can have a mailbox: never a client's domain (F4)."""

from __future__ import annotations

_WELL_KNOWN = """
    126.com 139.com 163.com 21cn.com aim.com alice.it aliyun.com aol.com aol.de arcor.de att.net autistici.org
    bell.net bellsouth.net bigpond.com bigpond.net.au bk.ru bluewin.ch bluemail.ch bol.com.br btinternet.com
    btopenworld.com centrum.cz charter.net chello.at comcast.net cox.net daum.net disroot.org duck.com earthlink.net
    email.com email.cz email.de eircom.net email.it fastmail.com fastmail.fm fastweb.it foxmail.com free.fr freemail.hu
    freenet.de frontier.com frontiernet.net gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.fr gmx.net gmx.org gmx.us
    googlemail.com hanmail.net hey.com home.nl hotmail.be hotmail.ca hotmail.co.uk hotmail.com hotmail.com.ar
    hotmail.com.br hotmail.de hotmail.es hotmail.fr hotmail.it hotmail.nl hushmail.com icloud.com ig.com.br iinet.net.au
    inbox.com inbox.lv inbox.ru inode.at interia.pl internode.on.net inwind.it iol.it itelefonica.com.br juno.com
    kabelmail.de kpnmail.nl kpnplanet.nl kolabnow.com laposte.net libero.it list.ru live.at live.be live.ca live.co.uk
    live.com live.com.au live.de live.fr live.it live.nl lycos.com mac.com mail.bg mail.com mail.de mail.ru mailbox.org
    mailfence.com mailinator.com mailo.com me.com mindspring.com msn.com mweb.co.za my.com naver.com neuf.fr nate.com
    netcologne.de netzero.net ntlworld.com numericable.fr o2.co.uk o2.pl o2online.de oi.com.br online.de online.no
    onet.eu onet.pl op.pl optonline.net optusnet.com.au orange.fr outlook.at outlook.be outlook.com outlook.com.br
    outlook.de outlook.es outlook.fr outlook.it passport.com planet.nl pm.me post.cz posteo.de posteo.net proton.me
    protonmail.ch protonmail.com qq.com quicknet.nl rambler.ru rediffmail.com riseup.net rocketmail.com rogers.com
    sapo.pt sbcglobal.net seznam.cz sfr.fr shaw.ca sina.cn sina.com sky.com skynet.be sohu.com sunrise.ch swissonline.ch
    sympatico.ca t-online.de talktalk.net tele2.it telenet.be telia.com telus.net terra.com.br terra.es tin.it tiscali.co.uk
    tiscali.it tlen.pl tuta.com tuta.io tutamail.com tutanota.com tutanota.de ukr.net unitybox.de uol.com.br verizon.net
    videotron.ca virgilio.it virgin.net virginmedia.com vivaldi.net vodafone.de vodafone.it voila.fr wanadoo.fr web.de
    windowslive.com windstream.net wp.pl xs4all.nl xtra.co.nz yahoo.ca yahoo.cn yahoo.co.id yahoo.co.in yahoo.co.jp
    yahoo.co.kr yahoo.co.nz yahoo.co.uk yahoo.com yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.com.sg
    yahoo.com.tr yahoo.de yahoo.es yahoo.fr yahoo.gr yahoo.ie yahoo.in yahoo.it yahoo.pl yahoo.ro yahoo.se yandex.com
    yandex.ru yeah.net ymail.com yopmail.com ziggo.nl zohomail.com zohomail.eu zoznam.sk
"""
PUBLIC_MAIL_DOMAINS = frozenset(_WELL_KNOWN.split())
"""Well-known ones, in canonical form."""


def is_public_mail(domain: str) -> bool:
    """Whether anybody can have a mailbox under this domain; the domain is canonical."""
    return domain in PUBLIC_MAIL_DOMAINS
