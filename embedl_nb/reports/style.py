"""The style of a report's page around the cards: light, dark and paper."""

from __future__ import annotations

from embedl_nb.display.markup import Markup

__all__ = ["STYLE"]

STYLE = Markup("""
:root{color-scheme:light dark;--page:#f6f8fa;--ink:#1f2328;--muted:#59636e;--line:#d8dee4;--paper:#ffffff;
--link:#0550ae}
@media screen and (prefers-color-scheme:dark){:root{--page:#0a0d12;--ink:#e6edf3;--muted:#9aa4af;--line:#303842;
--paper:#0f141a;--link:#58a6ff}}
body{margin:0;background:var(--page);color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.embedl-page{max-width:1040px;margin:0 auto;padding:28px 20px 48px}
.embedl-page h1{margin:0 0 4px;font-size:22px;line-height:1.3;font-weight:650;overflow-wrap:anywhere}
.embedl-page header p,.embedl-page footer{color:var(--muted)}
.embedl-page header p{margin:0 0 16px}
.embedl-page nav ol{margin:0 0 20px;padding-left:24px}
.embedl-page nav a{color:var(--link);overflow-wrap:anywhere}
.embedl-page section{margin:0 0 36px}
.embedl-page section:only-child .embedl-card:first-child>.embedl-head>:not(.embedl-badge){display:none}
.embedl-page .embedl-card{max-width:none;margin:0 0 12px}
.embedl-page details.embedl-card{padding:10px 18px}
.embedl-page .embedl-scroll{max-height:520px}
.embedl-page th button{all:unset;cursor:pointer}
.embedl-page th button:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:2px}
.embedl-page th button::after{content:"";display:inline-block;width:1.1em;text-align:right}
.embedl-page th[aria-sort=ascending] button::after{content:"\\2191"}
.embedl-page th[aria-sort=descending] button::after{content:"\\2193"}
.embedl-chart{margin:0 0 12px;padding:8px 12px;overflow-x:auto;border:1px solid var(--line);border-radius:8px;
background:var(--paper)}
.embedl-chart>div{min-width:680px}
.embedl-chart noscript svg{max-width:100%;height:auto}
.embedl-page footer{font-size:12px}
@media print{:root{--page:#fff;--paper:#fff}@page{margin:14mm}.embedl-page{max-width:none;padding:0}
.embedl-page .embedl-scroll{max-height:none;overflow:visible;width:100%}
.embedl-chart{break-inside:avoid;overflow:visible;border:0;padding:0}.embedl-chart>div{min-width:0;zoom:.72}
.embedl-page section:not(:first-child){break-before:page}.modebar,nav{display:none}
tr{break-inside:avoid}thead{display:table-header-group}details:not([open]){display:none}}
""")
