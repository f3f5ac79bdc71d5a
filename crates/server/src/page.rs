//! Page: the files that a browser gets.
//!
//! They are part of the binary, ask no other host for anything, and hold no script or style in the HTML, so that the
//! strictest content policy holds for them.

/// A file of the page.
pub(crate) struct File {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
}

/// All of them; the first is the page itself.
pub(crate) static FILES: [File; 4] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        text: include_str!("../page/index.html"),
    },
    File {
        path: "/app.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("../page/app.js"),
    },
    File {
        path: "/app.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("../page/app.css"),
    },
    File {
        path: "/icon.svg",
        content_type: "image/svg+xml",
        text: include_str!("../page/icon.svg"),
    },
];
