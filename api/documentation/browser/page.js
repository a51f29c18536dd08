// Starts Swagger UI over the document that the page names.
const browser = document.getElementById("browser");
SwaggerUIBundle({
  domNode: browser,
  url: browser.dataset.document,
  deepLinking: true, // #/Executions/startExecution
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null, // asks no other server
});
