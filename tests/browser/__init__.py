"""The page of --report-html in a real Chromium, by Playwright. Slow: it installs a browser."""
