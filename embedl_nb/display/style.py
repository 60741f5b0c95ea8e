"""The one style sheet of everything embedl_nb shows in HTML.

Every rule is scoped under ``.embedl-``. Colours come from JupyterLab's ``--jp-*`` or VS Code's ``--vscode-*`` variables
where they exist, so a dark theme just works; elsewhere ``prefers-color-scheme`` decides. Background and text are always
set together: on a page that is white no matter what, dark text stays on light ground.
"""

from __future__ import annotations

from embedl_nb.display.markup import Markup

__all__ = ["CSS"]

CSS = Markup("""
.embedl-card{
--embedl-fg:var(--jp-content-font-color1,var(--vscode-editor-foreground,#1f2328));
--embedl-muted:var(--jp-content-font-color2,var(--vscode-descriptionForeground,#59636e));
--embedl-bg:var(--jp-layout-color0,var(--vscode-editor-background,#ffffff));
--embedl-soft:var(--jp-layout-color2,var(--vscode-textCodeBlock-background,#f2f4f7));
--embedl-line:var(--jp-border-color2,var(--vscode-panel-border,#d8dee4));
--embedl-accent:var(--jp-brand-color1,var(--vscode-focusBorder,#0969da));
--embedl-warn:var(--jp-warn-color1,var(--vscode-editorWarning-foreground,#b45309));
box-sizing:border-box;max-width:980px;margin:4px 0;padding:14px 18px 12px;border:1px solid var(--embedl-line);
border-radius:8px;background:var(--embedl-bg);color:var(--embedl-fg);text-align:left;
font:13px/1.5 var(--jp-content-font-family,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif)}
@media screen and (prefers-color-scheme:dark){.embedl-card{
--embedl-fg:var(--jp-content-font-color1,var(--vscode-editor-foreground,#e6edf3));
--embedl-muted:var(--jp-content-font-color2,var(--vscode-descriptionForeground,#9aa4af));
--embedl-bg:var(--jp-layout-color0,var(--vscode-editor-background,#0f141a));
--embedl-soft:var(--jp-layout-color2,var(--vscode-textCodeBlock-background,#1b222b));
--embedl-line:var(--jp-border-color2,var(--vscode-panel-border,#303842));
--embedl-accent:var(--jp-brand-color1,var(--vscode-focusBorder,#58a6ff));
--embedl-warn:var(--jp-warn-color1,var(--vscode-editorWarning-foreground,#f0b429))}}
.embedl-card *{box-sizing:border-box}
.embedl-card .embedl-head{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 10px;margin:0 0 10px;
font-size:15px;line-height:1.45}
.embedl-card .embedl-name{font-weight:650;overflow-wrap:anywhere}
.embedl-card .embedl-part{overflow-wrap:anywhere}
.embedl-card .embedl-part::before{content:"";display:inline-block;width:1px;height:.8em;margin-right:10px;
background:var(--embedl-line)}
.embedl-card .embedl-bar{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.embedl-card .embedl-badge{padding:0 8px;border:1px solid var(--embedl-line);border-radius:999px;
background:var(--embedl-soft);color:var(--embedl-muted);font-size:11px;line-height:18px}
.embedl-card .embedl-badge-other{border:1px dashed var(--embedl-warn);color:var(--embedl-fg)}
.embedl-card .embedl-facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:8px 20px;
margin:0 0 10px;padding:0}
.embedl-card .embedl-facts>div{min-width:0}
.embedl-card .embedl-wide{grid-column:1/-1}
.embedl-card .embedl-facts dt{margin:0;padding:0;float:none;width:auto;color:var(--embedl-muted);font-size:11px;
font-weight:400;line-height:1.4}
.embedl-card .embedl-facts dd{margin:0;padding:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.embedl-card .embedl-warning{margin:0 0 8px;padding:6px 12px;border-left:3px solid var(--embedl-warn);
border-radius:0 4px 4px 0;background:var(--embedl-soft);overflow-wrap:anywhere}
.embedl-card .embedl-warning b{color:var(--embedl-warn);margin-right:3px}
.embedl-card .embedl-picture{max-height:560px;margin:6px 0 10px;overflow:auto}
.embedl-card .embedl-picture svg{display:block;max-width:100%;height:auto}
.embedl-card details{margin:0 0 6px}
.embedl-card summary{display:list-item;padding:2px 0;cursor:pointer;font-weight:600}
.embedl-card summary:focus-visible{outline:2px solid var(--embedl-accent);outline-offset:2px;border-radius:3px}
.embedl-card .embedl-count{margin-left:3px;color:var(--embedl-muted);font-weight:400}
.embedl-card .embedl-scroll{width:fit-content;min-width:min(100%,440px);max-width:100%;max-height:340px;
margin:4px 0;overflow:auto;border:1px solid var(--embedl-line);
border-radius:6px}
.embedl-card table{display:table;width:100%;margin:0;border:0;border-collapse:separate;border-spacing:0;
table-layout:auto;font-size:12px;font-variant-numeric:tabular-nums;background:transparent;color:inherit}
.embedl-card caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.embedl-card .embedl-scroll thead th,.embedl-card .embedl-scroll tbody td{max-width:340px;padding:4px 10px;border:0;
text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere;color:inherit}
.embedl-card .embedl-scroll thead th{position:sticky;top:0;background:var(--embedl-soft);color:var(--embedl-muted);
font-weight:600;white-space:nowrap;overflow-wrap:normal}
.embedl-card tbody tr,.embedl-card tbody tr:nth-child(odd),.embedl-card tbody tr:nth-child(even){
background:transparent}
.embedl-card tbody tr:hover{background:var(--embedl-soft)}
.embedl-card .embedl-scroll tbody td{border-top:1px solid var(--embedl-line)}
.embedl-card .embedl-scroll tbody tr:first-child td{border-top:0}
.embedl-card .embedl-scroll th.embedl-number,
.embedl-card .embedl-scroll td.embedl-number{text-align:right;white-space:nowrap}
.embedl-card .embedl-note{margin:2px 0 6px;color:var(--embedl-muted);font-size:12px}
.embedl-card .embedl-next{margin:10px 0 0;padding:8px 0 0;border-top:1px solid var(--embedl-line);
color:var(--embedl-muted)}
.embedl-card .embedl-next code{display:inline-block;max-width:100%;margin:2px 0;padding:1px 8px;border-radius:4px;
background:var(--embedl-soft);color:var(--embedl-fg);overflow-wrap:anywhere;white-space:pre-wrap;user-select:all;
font:12px/1.6 var(--jp-code-font-family,ui-monospace,SFMono-Regular,Menlo,Consolas,monospace)}
@media print{.embedl-card{break-inside:auto}.embedl-card .embedl-scroll,
.embedl-card .embedl-picture{max-height:none;overflow:visible}}
""")
