Rails.application.routes.draw { root to: "home#index" }
