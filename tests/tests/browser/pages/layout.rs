//! The demo page as it is seen and touched: flags, columns, rings of focus, commands, targets for fingers, addresses.

use crate::atlas::open;
use crate::table;
use blaze_tests::browser::Browser;
use blaze_tests::server::TestServer;
use serde_json::{Value, json};

/// The demo with a few countries.
fn demo() -> &'static TestServer {
    crate::atlas::atlas()
}

/// The elements whose focus ring is cut off by a container or by the window.
const CUT_RINGS: &str = r#"
    const cut = [];
    const drawn = (element) => {
      for (let one = element; one; one = one.parentElement) {
        const style = getComputedStyle(one);
        if (style.outlineStyle !== "none" && style.opacity !== "0") return [one, style];
      }
      return [];
    };
    const all = document.querySelectorAll("a[href], button, input, textarea, select, summary, [tabindex='0']");
    for (const element of all) {
      if (!element.checkVisibility()) continue;
      element.scrollIntoView({ block: "center" });
      element.focus();
      if (document.activeElement !== element) continue;
      const name = element.dataset.testid ?? element.className ?? element.tagName;
      const [ringed, style] = drawn(element);
      if (!ringed) {
        cut.push(`${name}: no ring`);
        continue;
      }
      const out = parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset);
      const box = ringed.getBoundingClientRect();
      const ring = { left: box.left - out, right: box.right + out, top: box.top - out, bottom: box.bottom + out };
      const fits = (frame, { x, y }) =>
        (!x || (ring.left >= frame.left - 0.5 && ring.right <= frame.right + 0.5)) &&
        (!y || (ring.top >= frame.top - 0.5 && ring.bottom <= frame.bottom + 0.5));
      if (!fits({ left: 0, right: innerWidth }, { x: true })) cut.push(`${name}: by the window`);
      for (let one = ringed.parentElement; one; one = one.parentElement) {
        const { overflowX, overflowY } = getComputedStyle(one);
        const frame = one.getBoundingClientRect();
        const inner = {
          left: frame.left + one.clientLeft, right: frame.right - one.clientLeft,
          top: frame.top + one.clientTop, bottom: frame.bottom - one.clientTop,
        };
        const tall = one.scrollHeight > one.clientHeight && box.height > one.clientHeight;
        if (!fits(inner, { x: overflowX !== "visible", y: overflowY !== "visible" && !tall })) {
          cut.push(`${name}: by ${one.className || one.tagName}`);
        }
      }
    }
    return cut;"#;

/// The elements that can be pressed and are smaller than a finger: their names and sizes.
const SMALL_TARGETS: &str = r#"
    const small = [];
    const all = document.querySelectorAll("a[href], button, input, textarea, select, summary, [role=option], .chip");
    for (const element of all) {
      if (!element.checkVisibility()) continue;
      const { width, height } = element.getBoundingClientRect();
      const name = element.dataset.testid ?? (element.className || element.tagName);
      if (width < 44 || height < 44) small.push(`${name}: ${width} x ${height}`);
    }
    return small;"#;

/// Looks at each place that the page has, as it first appears.
fn places(look: impl Fn(&Browser, &str)) {
    let url = demo().url();
    let places = [
        ("/", "[data-testid=country-FRA]"),
        ("/countries/FRA", "[data-testid=add-field], [data-testid=new-name]"),
        ("/countries/NONE", "[data-testid=create]"),
        ("/table", "tbody tr"),
        ("/table?region=Europe&open=countries/FRA", "[data-testid=field-name]"),
    ];
    let page = Browser::open(&url);
    for is_phone in [false, true] {
        if is_phone {
            page.become_phone();
        }
        for (address, sign) in places {
            page.go(&format!("{url}{address}"));
            page.see(&format!("document.querySelector('{sign}')"));
            page.run("document.querySelectorAll('details').forEach((one) => (one.open = true));");
            look(&page, &format!("{address}, a phone: {is_phone}"));
        }
    }
}

#[test]
fn flags_are_pictures() {
    let page = open(demo(), "FRA");
    // In the header, in the list and at a neighbour.
    page.see(
        "['.headline', '[data-testid=country-FRA]', '.neighbours']
           .every((part) => document.querySelector(`${part} img.flag`).naturalWidth > 0)",
    );
    page.go(&format!("{}/table", demo().url()));
    page.see("document.querySelector('[data-testid=row-JPN] img.flag').naturalWidth > 0");
    page.go(&demo().url());
    page.see("document.querySelector('.pick img.flag').naturalWidth > 0");
    // No font is asked for a flag.
    let letters = r"/[\u{1F1E6}-\u{1F1FF}]/u.test(document.body.innerText)";
    assert_eq!(page.value(letters), false);
    // A document that is no country has no flag, and no place for one.
    page.go(&format!("{}/countries/XXX", demo().url()));
    page.see("document.querySelector('[data-testid=missing]')");
    page.see("getComputedStyle(document.querySelector('.headline img.flag')).display === 'none'");
    page.go(&format!("{}/other/FRA", demo().url()));
    page.see("document.querySelector('[data-testid=missing]')");
    assert_eq!(page.value("document.querySelector('.headline img')"), Value::Null);
}

#[test]
fn columns_stay_where_they_are_when_rows_are_sorted() {
    let server = table::server();
    let page = Browser::open(&format!("{}/table", server.url()));
    let places = "Array.from(document.querySelectorAll('thead th'), (head) => {
        const { left, width } = head.getBoundingClientRect();
        return `${left} ${width}`;
    }).join()";
    for is_phone in [false, true] {
        if is_phone {
            page.become_phone();
        }
        page.see("document.querySelectorAll('tbody tr').length === 8");
        let before = page.value(places);
        for column in ["population", "area", "name", "population"] {
            page.click(&format!("sort-{column}"));
            page.see(&format!("document.querySelector('th.{column}').ariaSort !== 'none'"));
            page.see("document.querySelector('.table').ariaBusy === 'false'");
            assert_eq!(page.value(places), before, "{column}, a phone: {is_phone}");
        }
        // Nor when there are fewer rows.
        page.click("region-Oceania");
        page.see("document.querySelectorAll('tbody tr:not(.leaving)').length === 2");
        assert_eq!(page.value(places), before, "a phone: {is_phone}");
        page.click("clear");
        let cut = "Array.from(document.querySelectorAll('th, td')).filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
            .map((cell) => cell.textContent).join()";
        assert_eq!(page.value(cut), "", "a phone: {is_phone}");
    }
}

#[test]
fn rings_of_focus_are_whole() {
    places(|page, place| {
        let cut = page.run(CUT_RINGS);
        assert_eq!(cut, json!([]), "{place}");
    });
}

#[test]
fn fingers_hit_what_they_press() {
    places(|page, place| {
        if place.ends_with("true") {
            assert_eq!(page.run(SMALL_TARGETS), json!([]), "{place}");
            let wide = page.value(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth",
            );
            assert_eq!(wide, 0, "{place}");
        }
    });
}

#[test]
fn commands_are_seen_whole_and_copied() {
    let page = open(demo(), "JPN");
    let fits = "Array.from(document.querySelectorAll('.command pre'))
        .every((pre) => pre.scrollWidth <= pre.clientWidth && pre.scrollHeight <= pre.clientHeight)";
    let copied = |testid: &str| {
        page.run(
            "window.copied = [];
             Object.defineProperty(navigator, 'clipboard', { configurable: true, value: {
               writeText: async (text) => { if (window.refuses) throw new Error('no'); copied.push(text); } } });",
        );
        page.see(fits);
        page.click(&format!("{testid}-copy"));
        page.see_text(&format!("{testid}-said"), "Copied");
        let shown = format!("document.querySelector('[data-testid={testid}]').textContent");
        assert_eq!(page.value("copied[0]"), page.value(&shown));
    };
    copied("terminal");
    page.see_text("terminal-said", "");
    page.run("window.refuses = true;");
    page.click("terminal-copy");
    page.see_text("terminal-said", "Not copied: select it instead");
    page.become_phone();
    page.see(fits);
    page.go(&format!(
        "{}/table?starts=A%20very%20long%20name%20that%20no%20window%20has%20room%20for",
        demo().url()
    ));
    page.see("document.querySelector('.commands')");
    page.run("document.querySelector('.commands').open = true;");
    copied("query-command");
    copied("change-command");
}

#[test]
fn a_country_has_an_address() {
    let page = Browser::open(&format!("{}/countries/FRA", demo().url()));
    page.see_text("path", "countries/FRA");
    page.see_text("state", "saved");
    page.run("window.before = true;");
    // Within the page nothing is loaded anew, and the way back is the browser's.
    page.run("document.querySelector('.neighbours a').click();");
    page.see_text("path", "countries/DEU");
    page.see("location.pathname === '/countries/DEU'");
    page.click("country-JPN");
    page.see("location.pathname === '/countries/JPN'");
    page.back();
    page.see_text("path", "countries/DEU");
    page.back();
    page.see_text("path", "countries/FRA");
    page.click("table");
    page.see("location.pathname === '/table'");
    page.click("open-CHL");
    page.see("location.pathname + location.search === '/table?open=countries/CHL'");
    page.back();
    page.see("!document.querySelector('[data-testid=path]')");
    assert_eq!(page.value("before"), true);
    // Addresses of earlier versions lead to the same.
    page.go(&format!("{}/#countries/CHL", demo().url()));
    page.see_text("path", "countries/CHL");
    page.see("location.pathname + location.hash === '/countries/CHL'");
    page.run("location.hash = '#table?region=Asia'");
    page.see("location.pathname + location.search === '/table?region=Asia'");
    // A click that opens another window is the browser's.
    page.run(
        "const click = new MouseEvent('click', { bubbles: true, cancelable: true, ctrlKey: true });
         window.addEventListener('click', (event) => { window.taken = event.defaultPrevented; event.preventDefault(); }, { once: true });
         document.querySelector('.brand').dispatchEvent(click);",
    );
    assert_eq!(page.value("taken"), false);
    assert_eq!(page.errors(), Vec::<String>::new());
}
