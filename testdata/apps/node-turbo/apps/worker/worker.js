console.log(require("@acme/text").text("a worker"));
