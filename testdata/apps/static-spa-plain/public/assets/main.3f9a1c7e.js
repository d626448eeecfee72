const routes = { "/": "home", "/settings": "settings" };
document.querySelector("main").textContent = "hello from " + (routes[location.pathname] ?? "nowhere");
