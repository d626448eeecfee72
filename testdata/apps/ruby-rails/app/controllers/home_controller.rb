class HomeController < ActionController::API
  def index = render(json: { message: "hello from Rails #{Rails.version}" })
end
