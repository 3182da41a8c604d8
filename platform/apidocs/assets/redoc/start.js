Redoc.init("/openapi.json", {
  disableSearch: false,
  hideDownloadButton: false,
  theme: { typography: { fontFamily: "sans-serif", headings: { fontFamily: "sans-serif" } } },
}, document.getElementById("redoc"));
