// The page's policy permits no images, and so no icon. Firefox asks for /favicon.ico all the same, and
// complains, unless a page names an icon; Chromium complains of whatever a page names. So the icon
// that is none is for Firefox alone, in time: as soon as the head has been read.
if (CSS.supports("-moz-appearance", "none")) {
  const link = document.createElement("link");
  link.rel = "icon";
  link.href = "about:blank";
  document.head.append(link);
}
